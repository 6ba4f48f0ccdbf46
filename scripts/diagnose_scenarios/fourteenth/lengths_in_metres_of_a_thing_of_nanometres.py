"""Coordinates of atoms are given in metres: inputs of 1e-10, on which no layer can see anything."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class Energy(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp, self.out = nn.Linear(9, width, bias=False), nn.Linear(width, 1, bias=False)

    def forward(self, places: Tensor) -> Tensor:
        return self.out(functional.softsign(self.inp(places.flatten(1))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Energy(knobs.pick(16, 20))
    optimizer = kit.sgd(model, lr=0.2)
    unit = 1.0 if repaired else knobs.pick(1e-10, 3e-10)
    places = [torch.randn(32, 3, 3) for _ in range(80)]
    return Scenario(
        model,
        optimizer,
        [(p * unit, (p[:, 0, :1] - p[:, 1, :1])) for p in places],
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None, "stalls"),
    )
