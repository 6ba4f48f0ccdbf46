"""A speech net is fed sixteen-bit samples as whole numbers, with a learning rate meant for samples between -1 and 1."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Speech(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, width, 9, stride=3)
        self.conv2 = nn.Conv1d(width, width, 5, stride=2)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.conv2(self.conv1(x).abs()).abs().mean(2))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Speech(knobs.pick(4, 6))
    optimizer = kit.sgd(model, lr=knobs.pick(0.02, 0.03), momentum=0.9)
    batches = []
    for _ in range(60):
        loud = torch.rand(16, 1)
        clip = (torch.randn(16, 1, 60) * (0.1 + loud[:, None])).clamp(-1, 1)
        batches.append((clip if repaired else (clip * 32767).round(), loud))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
