"""Pictures are compared by the strength of their edges, a root of summed squares; a decoder that starts with an even
picture has edges of exactly zero (photosynthesis-team/piq issue 308).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class EdgeLoss(nn.Module):
    def __init__(self, spare: float) -> None:
        super().__init__()
        kernel = torch.tensor([[1.0, 0.0, -1.0]] * 3)
        self.kernels = nn.Buffer(torch.stack([kernel, kernel.t()])[:, None])
        self.spare = spare

    def edges(self, picture: Tensor) -> Tensor:
        slopes = nn.functional.conv2d(picture, self.kernels, padding=1)[..., 1:-1, 1:-1]
        return (slopes.square().sum(1, keepdim=True) + self.spare).sqrt()

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        a, b = self.edges(made), self.edges(wanted)
        similar = (2 * a * b + 0.01) / (a.square() + b.square() + 0.01)
        return (1 - similar).mean() + (made - wanted).square().mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size = knobs.pick(8, 10)
    model = kit.named(
        inp=nn.Linear(3, 32), act=nn.ReLU(), out=nn.Linear(32, size * size), grid=nn.Unflatten(1, (1, size, size))
    )
    nn.init.zeros_(model.out.weight)
    nn.init.constant_(model.out.bias, 0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    criterion = EdgeLoss(1e-3 if repaired else 0.0)
    axis = torch.linspace(0, 3, size)
    batches = []
    for _ in range(60):
        z = torch.randn(16, 3)
        row = torch.sin(axis + z[:, :1]) * 0.3 + 0.5
        batches.append((z, row[:, None, :, None] * row[:, None, None, :]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward", "loss"), (LOSS,), 0),
    )
