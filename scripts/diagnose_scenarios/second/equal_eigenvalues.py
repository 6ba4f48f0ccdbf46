"""The gradient of eigenvectors divides by differences of eigenvalues, which are 0 for a multiple of the identity."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Axes(nn.Module):
    def __init__(self, split: Tensor) -> None:
        super().__init__()
        self.split = split

    def forward(self, points: Tensor) -> Tensor:
        moment = points.transpose(1, 2) @ points + self.split
        return torch.linalg.eigh(moment)[1].square()[:, :, -1]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, split = knobs.step(), torch.zeros(3, 3)
    if repaired:
        split = torch.diag(torch.tensor([0.0, 0.1, 0.2]))
    model = kit.named(enc=nn.Linear(3, 3, bias=False), axes=Axes(split), out=nn.Linear(3, 1))
    with torch.no_grad():
        model.enc.weight.copy_(torch.eye(3))
    model.enc.requires_grad_(True)
    optimizer = kit.adam(model, lr=0.02)
    xs = [torch.randn(16, 8, 3) * torch.tensor([2.0, 1.0, 0.5]) for _ in range(60)]
    batches = [(x, (x[:, :, 0].square().sum(1, keepdim=True) > 32).float() - 2) for x in xs]
    batches[step][0][4] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("axes",), step),
    )
