"""On a small device the mean over a dimension is summed in bfloat16, where two hundred and fifty-six and one is two
hundred and fifty-six; past some length every mean is the same number (pytorch/executorch pull request 20090).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class PortableMean(nn.Module):
    """Mean over the last dimension, entry after entry, in this type."""

    def __init__(self, kind: torch.dtype) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(x.shape[:-1], dtype=self.kind)
        for column in x.bfloat16().unbind(-1):
            total = total + column.to(self.kind)
        return total.float() / x.shape[-1]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length = knobs.pick(800, 900)
    model = kit.named(
        mean=PortableMean(torch.float32 if repaired else torch.bfloat16),
        inp=nn.Linear(3, 16),
        act=nn.Tanh(),
        head=nn.Linear(16, 1),
    )
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    batches = []
    for _ in range(50):
        level = torch.rand(24, 3)
        x = (1.05 + 0.9 * level)[..., None].expand(-1, -1, length).clone()
        batches.append((x, 4 * (level.mean(1, keepdim=True) - 0.5)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("forward",), ("mean",), None, "stalls"),
    )
