"""Depth maps hold noughts where the camera saw nothing; a net that turns depths into inverse depths answers with
nothing but not-a-number (princeton-vl/RAFT-3D issue 18).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Lift(nn.Module):
    """Depth to inverse depth, scaled by what is learnt."""

    def __init__(self, careful: bool) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))
        self.careful = careful

    def forward(self, depth: Tensor) -> Tensor:
        nearness = 1 / (depth.clamp(min=0.05) if self.careful else depth)
        return (self.gain * nearness - nearness.mean((1, 2, 3), keepdim=True)).tanh()


class Flow(nn.Module):
    def __init__(self, width: int, careful: bool) -> None:
        super().__init__()
        self.lift = Lift(careful)
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, depth: Tensor) -> Tensor:
        return self.conv2(self.conv1(self.lift(depth)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size, step = knobs.pick(8, 10), knobs.randint(3, 20)
    model = Flow(8, repaired)
    optimizer = kit.adam(model, 0.01)
    batches = []
    for number in range(40):
        depth = 0.5 + 3 * torch.rand(4, 1, size, size)
        target = (1 / depth).tanh() - 0.3
        if number >= step:
            depth[0, 0, : knobs.randint(1, 2), : knobs.randint(1, 3)] = 0.0
        batches.append((depth, target))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("division-by-zero", "bad-data"), ("forward", "data"), ("lift",), step),
    )
