"""A net of sines is given the numbers of the pixels instead of places between minus one and one, and does not
converge; with normalised places it does (vsitzmann/siren issue 19).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sines(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(2, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, 1)
        bound = (6 / width) ** 0.5 / 10
        nn.init.uniform_(self.first.weight, -0.5, 0.5)
        nn.init.uniform_(self.second.weight, -bound, bound)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, place: Tensor) -> Tensor:
        return self.last((10 * self.second((10 * self.first(place)).sin())).sin())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Sines(32)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    size = knobs.pick(512, 640)
    waves = torch.randn(2, 3) * 2
    batches = []
    for _ in range(70):
        pixel = torch.randint(size, (64, 2)).float()
        place = 2 * pixel / (size - 1) - 1
        batches.append((place if repaired else pixel, (place @ waves).sin().sum(1, keepdim=True)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), ("data",), (), 0, "stalls"),
    )
