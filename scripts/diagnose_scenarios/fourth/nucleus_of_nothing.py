"""A router keeps the experts whose shares add up to less than 0.9; where one expert alone has more, none is kept."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Router(nn.Module):
    def __init__(self, inputs: int, experts: int, always_first: bool) -> None:
        super().__init__()
        self.score = nn.Linear(inputs, experts, bias=False)
        self.always_first = always_first

    def forward(self, x: Tensor) -> Tensor:
        scores, order = self.score(x).sort(-1, descending=True)
        dropped = scores.softmax(-1).cumsum(-1) >= 0.9
        if self.always_first:
            dropped[:, 0] = False
        kept = scores.masked_fill(dropped, -math.inf).softmax(-1)
        return torch.zeros_like(kept).scatter(-1, order, kept)


class Net(nn.Module):
    def __init__(self, inputs: int, experts: int, always_first: bool) -> None:
        super().__init__()
        self.router = Router(inputs, experts, always_first)
        self.experts = nn.Linear(inputs, experts)

    def forward(self, x: Tensor) -> Tensor:
        return (self.router(x) * self.experts(x)).sum(-1, keepdim=True)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, inputs = knobs.step(), knobs.pick(6, 8)
    model = Net(inputs, 4, repaired)
    nn.init.orthogonal_(model.router.score.weight, gain=0.2)
    groups = [{"params": model.router.parameters(), "lr": 2e-4}, {"params": model.experts.parameters()}]
    optimizer = torch.optim.Adam(groups, lr=0.02)
    batches = [(0.5 * x.clamp(-2, 2), y.clamp(-1.5, 1.5)) for x, y in kit.regression(80, 32, inputs)]
    x, y = (part.clone() for part in batches[step])
    direction = model.router.score.weight.detach()[1]
    x[9] = direction / direction.norm() ** 2 * knobs.pick(9.0, 10.0)
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, nn.functional.smooth_l1_loss),
        Expected(("masked-softmax",), ("forward",), ("router",), step),
    )
