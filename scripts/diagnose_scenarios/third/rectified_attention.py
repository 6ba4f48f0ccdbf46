"""Attention weights are rectified scores over their sum; for one sequence every score is negative."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pool(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)
        self.eps = eps
        with torch.no_grad():
            self.score.weight /= self.score.weight.norm()
            self.score.bias.fill_(2.0)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.score(x).relu()
        return (weight * x).sum(1) / (weight.sum(1) + self.eps)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(pool=Pool(width, 1e-6 if repaired else 0.0), hidden=nn.Linear(width, 16), act=nn.ReLU())
    model.add_module("head", nn.Linear(16, 3))
    optimizer = kit.adam(model, lr=0.01)
    centres = torch.randn(3, width)
    labels = [torch.randint(3, (16,)) for _ in range(60)]
    xs = [centres[y][:, None] * 0.7 + 0.5 * torch.randn(16, 10, width) for y in labels]
    xs[step][4] = -7.0 * model.pool.score.weight.detach()
    return Scenario(
        model,
        optimizer,
        list(zip(xs, labels, strict=True)),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("division-by-zero",), ("forward",), ("pool",), step),
    )
