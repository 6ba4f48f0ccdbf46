"""Distances of atoms are scored, and their gradient is the difference over the distance; where two atoms lie on one
another it is zero over zero although the distance is fine (uw-ipd/tmol pull request 146).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Distances(nn.Module):
    def __init__(self, safe: bool) -> None:
        super().__init__()
        self.safe = safe

    def forward(self, atoms: Tensor) -> Tensor:
        first, second = torch.triu_indices(atoms.shape[1], atoms.shape[1], 1)
        square = (atoms[:, first] - atoms[:, second]).square().sum(-1)
        if not self.safe:
            return square.sqrt()
        apart = square > 0
        return torch.where(apart, torch.where(apart, square, 1.0).sqrt(), 0.0)


class Score(nn.Module):
    def __init__(self, width: int, safe: bool) -> None:
        super().__init__()
        self.frame = nn.Linear(3, 3, bias=False)
        self.geom = Distances(safe)
        self.pair = nn.Sequential(nn.Linear(1, width), nn.Softplus(), nn.Linear(width, 1))

    def forward(self, atoms: Tensor) -> Tensor:
        return self.pair(self.geom(self.frame(atoms))[..., None]).mean(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(9, 29)
    model = Score(knobs.pick(16, 24), repaired)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    batches = []
    for number in range(60):
        atoms = torch.randn(12, 5, 3)
        if number == step:
            one = knobs.randint(0, 11)
            atoms[one, 4] = atoms[one, 1]
        reach = torch.cdist(atoms, atoms).sum((1, 2))[:, None] / 20
        batches.append((atoms, 2 - reach))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward", "forward"), ("geom",), step),
    )
