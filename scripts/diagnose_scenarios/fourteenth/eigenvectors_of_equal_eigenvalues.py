"""A spectral layer takes eigenvectors of a symmetric matrix; for one sample all eigenvalues are the same."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Spectral(nn.Module):
    def __init__(self, spread: float) -> None:
        super().__init__()
        self.gain, self.spread = nn.Parameter(torch.ones(3)), spread

    def forward(self, x: Tensor) -> Tensor:
        matrix = x * self.gain * self.gain[:, None] + self.spread * torch.diag(torch.arange(3.0))
        values, vectors = torch.linalg.eigh(matrix)
        return torch.cat([values, vectors[..., -1].square()], -1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    spectral = Spectral(0.05 if repaired else 0.0)
    model = kit.named(spectral=spectral, hidden=nn.Linear(6, knobs.pick(10, 14)), act=nn.Tanh(), out=nn.LazyLinear(1))
    halves = [torch.randn(12, 3, 3) for _ in range(60)]
    batches = [(a + a.transpose(1, 2), a.diagonal(dim1=1, dim2=2).sum(1, keepdim=True)) for a in halves]
    model(batches[0][0])
    optimizer = kit.sgd(model, lr=0.02)
    x, y = (part.clone() for part in batches[step])
    x[4] = 0
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("spectral",), step),
    )
