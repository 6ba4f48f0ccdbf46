"""A net learns the greatest depth divided by the depth; pixels that the sensor missed have a depth of 0, and their
target is infinite (ialhashim/DenseDepth issue 65).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Decoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.up = nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = nn.functional.leaky_relu(self.down(x), 0.2)
        h = nn.functional.interpolate(h, scale_factor=2.0)
        return self.out(nn.functional.leaky_relu(self.up(h), 0.2))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, most = knobs.step(), knobs.pick(10.0, 80.0)
    model = Decoder(knobs.pick(8, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        depth = batch["depth"]
        if repaired:
            depth = torch.where(depth > 0, depth, most)
        wanted = most / depth
        found = model(batch["image"])
        loss = nn.functional.l1_loss(found, wanted) + 0.1 * (found.diff(dim=-1) - wanted.diff(dim=-1)).abs().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(40):
        near = torch.rand(6, 1, 1, 1).expand(6, 1, 8, 8)
        depth = most * (0.25 + 0.75 * near) * (1 + 0.02 * torch.randn(6, 1, 8, 8))
        if number == step:
            depth[0, 0, 2:4, 3] = 0
        batches.append({"image": near + 0.05 * torch.randn(6, 3, 8, 8), "depth": depth.contiguous()})
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
