"""An optimizer with decoupled decay takes the decay from the weights as it is, not times the rate; a coefficient
that is common for the other form removes the weights within some steps (pytorch/pytorch pull request 4429).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class Sgdw(torch.optim.Optimizer):
    def __init__(self, weights: Any, lr: float, decay: float, inside: bool) -> None:
        super().__init__(weights, {"lr": lr, "decay": decay, "inside": inside})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                speed = self.state[weight].setdefault("speed", torch.zeros_like(weight))
                speed.mul_(0.9).add_(weight.grad)
                share = group["decay"] * (group["lr"] if group["inside"] else 1.0)
                weight.sub_(weight, alpha=share).sub_(speed, alpha=group["lr"])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = kit.named(
        conv1=nn.Conv2d(1, width, 3, padding=1),
        act1=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3, stride=2, padding=1),
        act2=nn.ReLU(),
        flat=nn.Flatten(),
        fc=nn.Linear(width * 9, 3),
    )
    optimizer = Sgdw(model.parameters(), 0.01, knobs.pick(0.3, 0.4), repaired)
    return Scenario(
        model,
        optimizer,
        kit.images(60, 16, 1, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), ("optimizer",), (), None, "stalls"),
    )
