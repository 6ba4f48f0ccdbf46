"""The mean of a group of channels is added up in half; once the sum is some thousands the pixels that follow change it
no more (ROCm/AMDMIGraphX pull request 1515).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GroupMean(nn.Module):
    """The mean of each row of a map, added pixel by pixel."""

    def __init__(self, kind: torch.dtype) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(x.shape[0], x.shape[1], dtype=self.kind)
        for column in x.to(self.kind).unbind(-1):
            total = total + column
        return total.float() / x.shape[-1]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    groups = knobs.pick(4, 6)
    level = knobs.pick(4400.0, 6000.0)
    mean = GroupMean(torch.float32 if repaired else torch.float16)
    model = kit.named(
        mean=mean,
        norm=nn.BatchNorm1d(groups),
        head=nn.Linear(groups, 1),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    teacher = torch.randn(groups, 1)
    batches = []
    for _ in range(50):
        bright = torch.rand(32, groups)
        x = bright[..., None] + 0.05 * torch.randn(32, groups, 48)
        x[..., 0] = level
        batches.append((x, 6 * (bright - 0.5) @ teacher))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("forward",), ("mean",), 0, "stalls"),
    )
