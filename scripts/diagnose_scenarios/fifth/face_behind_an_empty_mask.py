"""A face's depth is averaged inside the net over its mask, and for one video the mask is empty
(clks-wzz/FAS-SGTD issue 22).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class DepthScore(nn.Module):
    def __init__(self, least: float) -> None:
        super().__init__()
        self.least = least

    def forward(self, depth: Tensor, masks: Tensor) -> Tensor:
        depth_mean = (depth * masks).sum((1, 2, 3)) / masks.sum((1, 2, 3)).clamp(min=self.least)
        return depth_mean[:, None]


class AntiSpoof(nn.Module):
    def __init__(self, width: int, least: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv_depth = nn.Conv2d(width, 1, 3, padding=1)
        self.cla = nn.Linear(width, 1)
        self.score = DepthScore(least)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        frames, masks = batch
        h = self.conv1(frames).relu()
        return 0.9 * self.score(self.conv_depth(h), masks) + 0.1 * self.cla(h.mean((2, 3)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, bad = knobs.step(), knobs.randint(0, 11)
    net = AntiSpoof(knobs.pick(8, 10), 1.0 if repaired else 0.0)
    optimizer = kit.adam(net, lr=0.01)
    batches = []
    for number in range(50):
        real = torch.randint(2, (12, 1)).float()
        masks = (torch.rand(12, 1, 6, 6) < 0.6).float()
        bump = torch.linspace(-1, 1, 6).cos().outer(torch.linspace(-1, 1, 6).cos())
        frames = real[..., None, None] * bump + 0.3 * torch.randn(12, 1, 6, 6)
        if number == step:
            masks[bad] = 0
        batches.append(((frames, masks), real))
    return Scenario(
        net,
        optimizer,
        batches,
        kit.train(net, optimizer, nn.functional.binary_cross_entropy_with_logits),
        Expected(("division-by-zero",), ("forward",), ("score",), step),
    )
