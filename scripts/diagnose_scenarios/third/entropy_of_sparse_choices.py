"""The entropy of weights of which some are exactly zero: p log p is zero there, its slope minus infinity."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Router(nn.Module):
    """Mixes experts with rectified, normalised weights, and keeps their entropy."""

    def __init__(self, width: int, experts: int, floor: float) -> None:
        super().__init__()
        self.score = nn.Linear(width, experts)
        self.experts = nn.Linear(width, experts * 3)
        self.floor, self.entropy = floor, torch.zeros(())
        nn.init.orthogonal_(self.score.weight, gain=0.2)
        nn.init.constant_(self.score.bias, 2.5)

    def forward(self, x: Tensor) -> Tensor:
        score = self.score(x).relu()
        p = score / (score.sum(1, keepdim=True) + 1e-9)
        self.entropy = -torch.special.xlogy(p, p + self.floor).sum(1).mean()
        return (self.experts(x).unflatten(1, (-1, 3)) * p[..., None]).sum(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), 6
    model = kit.named(router=Router(width, knobs.pick(4, 5), 1e-6 if repaired else 0.0))
    optimizer = kit.sgd(model, lr=0.03)
    batches = kit.classes(150, 24, width, 3)
    with torch.no_grad():
        batches[step][0][4] = -110 * model.router.score.weight[0]

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return kit.cross_entropy(p, y) - 0.01 * model.router.entropy

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward",), ("router",), step),
    )
