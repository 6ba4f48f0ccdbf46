"""A picture of a patient is rebuilt from its projections under a penalty on relative differences of neighbours; the eps
of that penalty is zero, and in the air around both neighbours are (UCL/STIR issue 1394).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Rebuild(nn.Module):
    def __init__(self, bins: int, pixels: int, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(bins, width)
        self.out = nn.Linear(width, pixels, bias=False)
        nn.init.normal_(self.out.weight, 0.1, 0.1)

    def forward(self, counts: Tensor) -> Tensor:
        return self.out(self.inp(counts).relu()).relu()


def penalty(picture: Tensor, gamma: float, eps: float) -> Tensor:
    a, b = picture[:, 1:], picture[:, :-1]
    return ((a - b).square() / (a + b + gamma * (a - b).abs() + eps)).sum(1).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    pixels, bins, step = 14, 10, knobs.randint(6, 17)
    model = Rebuild(bins, pixels, knobs.pick(16, 24))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    project = torch.rand(pixels, bins) / pixels
    beta, eps = knobs.pick(0.01, 0.02), 1e-3 if repaired else 0.0

    def train_step(batch: Any) -> Tensor:
        counts, body = batch
        picture = model(counts) * body
        loss = (picture @ project - counts).square().mean() * 50 + beta * penalty(picture, 2.0, eps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        truth = 0.5 + torch.rand(16, pixels)
        body = torch.ones(pixels)
        if number == step:
            body[: knobs.randint(2, 4)] = 0.0
        batches.append(((truth * body) @ project, body))
    return Scenario(model, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
