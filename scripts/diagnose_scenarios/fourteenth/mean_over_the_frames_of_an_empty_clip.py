"""A recogniser averages over the frames that a clip has; one clip in one batch has none."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class MaskedMean(nn.Module):
    def __init__(self, least: float) -> None:
        super().__init__()
        self.least = least

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        inside = (torch.arange(x.shape[1]) < lengths[:, None]).float()
        return (x * inside[..., None]).sum(1) / inside.sum(1, keepdim=True).clamp(min=self.least)


class Recogniser(nn.Module):
    def __init__(self, width: int, least: float) -> None:
        super().__init__()
        self.frame, self.pool = nn.Linear(4, width), MaskedMean(least)
        self.head = nn.Linear(width, 2)

    def forward(self, clip: dict[str, Tensor]) -> Tensor:
        return self.head(self.pool(self.frame(clip["frames"]).relu(), clip["lengths"]))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, most = knobs.step(), knobs.pick(6, 9)
    model = Recogniser(knobs.pick(10, 14), 1.0 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.03)
    batches = []
    for i in range(60):
        y, lengths = torch.randint(2, (12,)), torch.randint(1, most + 1, (12,))
        if i == step:
            lengths[4] = 0
        frames = torch.randn(12, most, 4) + 2 * (y[:, None, None] - 0.5)
        batches.append(({"frames": frames, "lengths": lengths}, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("division-by-zero",), ("forward",), ("pool",), step),
    )
