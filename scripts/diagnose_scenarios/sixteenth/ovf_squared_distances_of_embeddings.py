"""Squared distances between embeddings of length 600 are summed in float16: 360000 is infinite, and infinity over
infinity NaN.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Embed(nn.Module):
    def __init__(self, inputs: int, width: int, level: float) -> None:
        super().__init__()
        self.body = nn.Linear(inputs, width)
        self.project = nn.Linear(width, width)
        self.level = level

    def forward(self, x: Tensor) -> Tensor:
        return self.project(torch.tanh(self.body(x))) * self.level


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 32)
    model = Embed(6, width, knobs.pick(500.0, 600.0))
    optimizer = kit.adam(model, lr=0.003)

    def triplet(out: Tensor, y: Tensor) -> Tensor:
        out = out.float() if repaired else out
        anchor, near, far = out.chunk(3)
        pulled, pushed = (anchor - near).square().sum(1), (anchor - far).square().sum(1)
        return (pulled / (pulled + pushed)).float().mean()

    batches = []
    for _ in range(50):
        a, f = torch.randn(8, 6), torch.randn(8, 6)
        batches.append((torch.cat([a, torch.cat([a[:, :3], torch.randn(8, 3)], 1), f]), f))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, triplet, amp=torch.float16),
        Expected(("fp16-overflow",), ("loss",), (LOSS,)),
    )
