"""A geometric mean of rectified scores: where one score is zero the root is zero, and its slope infinite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GeometricMean(nn.Module):
    def __init__(self, floor: float) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, score: Tensor) -> Tensor:
        first, second, third = score.relu().unbind(1)
        return (first * second * third + self.floor) ** (1 / 3)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(score=nn.Linear(width, 3), mean=GeometricMean(1e-3 if repaired else 0.0))
    nn.init.orthogonal_(model.score.weight)
    nn.init.constant_(model.score.bias, 6.0)
    optimizer = kit.adam(model, lr=0.01)
    teacher = 0.3 * torch.randn(width)
    xs = [torch.randn(24, width).clamp(-2.5, 2.5) for _ in range(80)]
    batches = [(x, 6 + x @ teacher) for x in xs]
    with torch.no_grad():
        batches[step][0][knobs.randint(0, 23)] = -9 * model.score.weight[1]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("mean",), step),
    )
