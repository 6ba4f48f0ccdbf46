"""The square root of a distance of 0: the value is fine, its gradient is infinity times 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width, eps = knobs.step(), knobs.pick(12, 16), 1e-8 if repaired else 0.0
    model = kit.named(inp=nn.Linear(8, width), act=nn.Tanh(), head=nn.Linear(width, 2))
    optimizer = kit.sgd(model, lr=0.05)

    def criterion(points: Tensor, wanted: Tensor) -> Tensor:
        first, second = points.chunk(2)
        distance = ((first - second).square().sum(1) + eps).sqrt()
        return kit.squares(distance, wanted)

    teacher = torch.randn(8, 2) / 3
    xs = [torch.randn(32, 8) for _ in range(60)]
    xs[step][16 + 3] = xs[step][3]
    batches = [(x, ((x[:16] - x[16:]) @ teacher).norm(dim=1)) for x in xs]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
