"""A rule with decoupled decay takes the decay from the weights as it is and not times the rate, a thousand times too
much for those who carry their settings over (tensorflow/addons issue 2282).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class Decoupled(torch.optim.SGD):
    def __init__(self, weights: Any, lr: float, decay: float, coupled: bool) -> None:
        super().__init__(weights, lr=lr, momentum=0.9)
        self.decay, self.coupled = decay, coupled

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            share = self.decay * (group["lr"] if self.coupled else 1.0)
            for weight in group["params"]:
                weight.mul_(1 - share)
        super().step()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 4))
    optimizer = Decoupled(model.parameters(), 0.01, knobs.pick(0.5, 0.6), repaired)
    return Scenario(
        model,
        optimizer,
        kit.images(50, 24, 2, 4, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), ("optimizer",), (), 0, "stalls"),
    )
