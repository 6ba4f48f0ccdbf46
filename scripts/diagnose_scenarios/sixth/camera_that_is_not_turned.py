"""A camera's rotation starts from a last layer of zeros: sin(t) / t is guarded at an angle of 0 by a `where`, whose
other branch still sends its gradient back (oarriaga/paz pull request 383, kornia/kornia pull request 3277).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Rodrigues(nn.Module):
    """Rotation matrices [batch, 3, 3] from axis times angle [batch, 3]."""

    def __init__(self, safe: bool) -> None:
        super().__init__()
        self.safe = safe

    def forward(self, turn: Tensor) -> Tensor:
        angle = turn.norm(dim=1)[:, None, None]
        small = angle < 1e-8
        divisor = angle.masked_fill(small, 1.0) if self.safe else angle
        first = torch.where(small, 1.0, angle.sin() / divisor)
        second = torch.where(small, 0.5, (1 - angle.cos()) / divisor**2)
        zero = torch.zeros_like(turn[:, 0])
        x, y, z = turn.unbind(1)
        cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).view(-1, 3, 3)
        return torch.eye(3) + first * cross + second * cross @ cross


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        inp=nn.Linear(9, knobs.pick(24, 32)), act=nn.Tanh(), pose=nn.LazyLinear(3), rotate=Rodrigues(repaired)
    )
    model(torch.zeros(1, 9))
    nn.init.zeros_(model.pose.weight)
    nn.init.zeros_(model.pose.bias)
    optimizer = kit.adam(model, lr=0.01)
    truth = Rodrigues(True)
    batches = []
    for _ in range(60):
        rotation = truth(torch.randn(16, 3))
        batches.append((rotation.flatten(1) + 0.05 * torch.randn(16, 9), rotation))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("rotate",), 0),
    )
