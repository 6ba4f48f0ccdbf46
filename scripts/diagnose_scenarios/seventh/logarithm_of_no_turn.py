"""A pose begins as the identity quaternion, where the logarithm divides a vector of length zero by that length (as in
kornia/kornia pull request 4228).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Log(nn.Module):
    """The rotation vector of a unit quaternion."""

    def __init__(self, least: float) -> None:
        super().__init__()
        self.least = least

    def forward(self, q: Tensor) -> Tensor:
        w, v = q[:, :1], q[:, 1:]
        length = (v.square().sum(-1, keepdim=True) + self.least).sqrt()
        return 2 * torch.atan2(length, w) * v / length.clamp(min=1e-8)


class Pose(nn.Module):
    def __init__(self, count: int, least: float) -> None:
        super().__init__()
        self.quaternions = nn.Parameter(torch.tensor([1.0, 0, 0, 0]).repeat(count, 1))
        self.log = Log(least)

    def forward(self, which: Tensor) -> Tensor:
        return self.log(nn.functional.normalize(self.quaternions[which], dim=-1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(10, 14)
    model = Pose(count, 1e-10 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.03)
    truth = torch.randn(count, 3)
    batches = []
    for _ in range(80):
        which = torch.randint(count, (8,))
        batches.append((which, truth[which]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("log",), 0),
    )
