"""Rotations start from a last layer of zeros, by way of a series near an angle of 0 whose other branch is kept finite
too (oarriaga/paz pull request 383, the repair).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Rodrigues(nn.Module):
    def forward(self, turn: Tensor) -> Tensor:
        squared = turn.square().sum(1)[:, None, None]
        small = squared < 1e-6
        angle = squared.masked_fill(small, 1.0).sqrt()
        first = torch.where(small, 1 - squared / 6, angle.sin() / angle)
        second = torch.where(small, 0.5 - squared / 24, (1 - angle.cos()) / angle.square())
        zero = torch.zeros_like(turn[:, 0])
        x, y, z = turn.unbind(1)
        cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).view(-1, 3, 3)
        return torch.eye(3) + first * cross + second * cross @ cross


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(9, knobs.pick(24, 32)), act=nn.Tanh(), pose=nn.LazyLinear(3), rotate=Rodrigues())
    model(torch.zeros(1, 9))
    nn.init.zeros_(model.pose.weight)
    nn.init.zeros_(model.pose.bias)
    optimizer = kit.adam(model, lr=0.01)
    turns = [Rodrigues()(torch.randn(16, 3)) for _ in range(60)]
    batches = [(turn.flatten(1) + 0.05 * torch.randn(16, 9), turn) for turn in turns]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
