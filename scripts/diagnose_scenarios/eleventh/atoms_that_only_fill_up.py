"""Molecules are filled up to one size, and their bonds are divided by the roots of the degrees; atoms that only fill up
have no bond, so that their rows are zero times infinity (chainer/chainer-chemistry issue 166).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Rescaled(nn.Module):
    """Divides the bonds by the roots of both degrees."""

    def __init__(self, safe: bool) -> None:
        super().__init__()
        self.safe = safe

    def forward(self, bonds: Tensor) -> Tensor:
        degree = bonds.sum(-1)
        if self.safe:
            degree = torch.where(degree == 0, torch.ones_like(degree), degree)
        root = degree**-0.5
        return root[:, :, None] * bonds * root[:, None]


class Rsgcn(nn.Module):
    def __init__(self, width: int, safe: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(6, width)
        self.rescale = Rescaled(safe)
        self.gc1 = nn.Linear(width, width)
        self.gc2 = nn.Linear(width, width)
        self.out = nn.Linear(width, 1)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        atoms, bonds = batch
        bonds = self.rescale(bonds)
        h = self.gc1(bonds @ self.embed(atoms)).relu()
        return self.out(self.gc2(bonds @ h).relu().sum(1) / 5)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size, step = 7, knobs.randint(4, 21)
    model = kit.named(rsgcn=Rsgcn(knobs.pick(12, 16), repaired))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    worth = torch.randn(6)
    worth[0] = 0.0
    batches = []
    for number in range(60):
        atoms = torch.randint(1, 6, (16, size))
        bonds = (torch.rand(16, size, size) < 0.3).float()
        bonds = ((bonds + bonds.transpose(1, 2)) > 0).float()
        bonds.diagonal(dim1=1, dim2=2).fill_(1.0)
        if number == step:
            short = knobs.randint(4, 6)
            atoms[0, short:] = 0
            bonds[0, short:] = 0.0
            bonds[0, :, short:] = 0.0
        batches.append(((atoms, bonds), worth[atoms].mean(1, keepdim=True)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("division-by-zero",), ("forward",), ("rsgcn", "rsgcn.rescale"), step),
    )
