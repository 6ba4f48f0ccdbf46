"""A loss measures the volume that the features of a series span; the features are not brought to unit length, and the
logarithm of the determinant is lost (ryanchankh/mcr2 issue 10).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Series(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, width, batch_first=True)
        self.out = nn.Linear(inputs, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(x)[0][:, -1] + self.out(x.mean(1))


def volume(z: Tensor) -> Tensor:
    return torch.logdet(torch.eye(z.shape[1]) + z.T @ z * (4 * z.shape[1] / len(z)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    unit = 1.0 if repaired else knobs.pick(3e4, 1e5)
    model = Series(3, 12)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        z = model(batch[0])
        whole = volume(z)
        parts = sum(volume(z[batch[1] == kind]) for kind in range(3)) / 3
        loss = 10 + parts - whole
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(45):
        kind = torch.arange(30).remainder(3)
        wave = (torch.arange(8)[:, None] * (kind[:, None, None] + 1.0) * 0.4 + torch.arange(3)).sin()
        batches.append((unit * (wave + 0.1 * torch.randn(30, 8, 3)), kind))
    return Scenario(model, optimizer, batches, train_step, Expected(("input-scale",), ("data", "loss"), (), None))
