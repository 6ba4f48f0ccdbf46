"""Features are centred by the running mean of their country, a sum over a count; in one batch a country is seen for
the first time.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Centre(nn.Module):
    def __init__(self, countries: int, width: int, least: float) -> None:
        super().__init__()
        self.least = least
        self.register_buffer("total", torch.zeros(countries, width))
        self.register_buffer("count", torch.zeros(countries, 1))
        self.count[: countries - 1] = 1

    def forward(self, x: Tensor, country: Tensor) -> Tensor:
        mean = self.total[country] / self.count[country].clamp(min=self.least)
        with torch.no_grad():
            self.total.index_add_(0, country, x)
            self.count.index_add_(0, country, torch.ones(len(x), 1))
        return x - mean


class Net(nn.Module):
    def __init__(self, width: int, countries: int, least: float) -> None:
        super().__init__()
        self.centre = Centre(countries, 8, least)
        self.body = kit.mlp(8, width, 3)

    def forward(self, fields: tuple[Tensor, Tensor]) -> Tensor:
        return self.body(self.centre(*fields))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, countries = knobs.step(), knobs.pick(3, 4)
    model = Net(knobs.pick(16, 24), countries, 1.0 if repaired else 0.0)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.5)
    batches = []
    for number, (x, y) in enumerate(kit.classes(60, 32, 8, 3)):
        country = torch.randint(countries - 1, (32,))
        if number >= step:
            country[:2] = countries - 1
        batches.append(((x, country), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("division-by-zero",), ("forward",), ("centre",), step),
    )
