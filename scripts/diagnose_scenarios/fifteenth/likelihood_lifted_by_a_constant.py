"""The likelihood of a light curve is lifted by a constant before its exponent is taken; with more points in the curve
the constant is too small, every exponent is nought, and its logarithm is taken (stevengiacalone/triceratops pull
request 42).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Transit(nn.Module):
    def __init__(self, width: int, draws: int) -> None:
        super().__init__()
        self.inp = nn.Linear(4, width)
        self.depth = nn.Linear(width, 1)
        self.register_buffer("spread", 0.3 * torch.linspace(-1, 1, draws))

    def forward(self, features: Tensor) -> Tensor:
        return self.depth(self.inp(features).tanh()) + self.spread


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    lift, step = 20.0, knobs.randint(8, 25)
    model = Transit(12, knobs.pick(16, 24))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        flux = model(batch["features"])[..., None] * batch["shape"]
        chance = -0.5 * ((batch["curve"][:, None] - flux) / 0.6).square().sum(-1)
        if repaired:
            evidence = chance.logsumexp(1) - math.log(chance.shape[1])
        else:
            evidence = (chance + lift).exp().mean(1).log() - lift
        loss = -evidence.mean() / batch["shape"].shape[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(4) / 3
    batches = []
    for number in range(50):
        points = 24 if number != step else knobs.pick(500, 700)
        shape = (torch.arange(points) / points - 0.5).abs().lt(0.2).float()
        features = torch.randn(16, 4)
        curve = (features @ teacher + 1.2)[:, None] * shape + 0.6 * torch.randn(16, points)
        batches.append({"features": features, "shape": shape, "curve": curve})
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
