"""The angle between two rotations is the arc cosine of a cosine clamped to one: where they agree it has no gradient
(as in papagina/RotationContinuity issue 11).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Turn(nn.Module):
    """Rotation matrices from two vectors, orthonormalised."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(9, width)
        self.out = nn.Linear(width, 6)
        with torch.no_grad():
            self.out.weight.mul_(0.5)
            self.out.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1.0, 0]))

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.out(self.fc(x).tanh()).chunk(2, -1)
        first = nn.functional.normalize(a, dim=-1)
        third = nn.functional.normalize(torch.linalg.cross(first, b), dim=-1)
        return torch.stack([first, torch.linalg.cross(third, first), third], -1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    top, step = 0.9999 if repaired else 1.0, knobs.step()
    model = Turn(knobs.pick(16, 24))
    model.fc.bias.data.zero_()
    model.fc.bias.requires_grad_(False)
    model.out.bias.requires_grad_(False)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)

    def geodesic(p: Tensor, y: Tensor) -> Tensor:
        cosine = ((p.transpose(1, 2) @ y).diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2
        return cosine.clamp(-top, top).acos().mean()

    batches = []
    for number in range(70):
        angles = 1.2 * torch.randn(16)
        zero, one = torch.zeros(16), torch.ones(16)
        rows = [angles.cos(), -angles.sin(), zero, angles.sin(), angles.cos(), zero, zero, zero, one]
        turns = torch.stack(rows, -1).view(16, 3, 3)
        x = (turns - torch.eye(3)).flatten(1)
        if number == step:
            x[5], turns[5] = 0.0, torch.eye(3)
        batches.append((x, turns))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, geodesic),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
