"""A registration net and the weights of its loss assume intensities between 0 and 1; scans come in as they were
stored, up to thousands (balakg/voxelmorph issue 4).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Register(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.pair = nn.Conv1d(2, width, 5, padding=2)
        self.mid = nn.Conv1d(width, width, 5, padding=2)
        self.flow = nn.Conv1d(width, 1, 3, padding=1)

    def forward(self, moving: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        h = nn.functional.leaky_relu(self.pair(torch.cat([moving, fixed], 1)), 0.2)
        flow = self.flow(nn.functional.leaky_relu(self.mid(h), 0.2))
        change = torch.gradient(moving, dim=-1)[0]
        return moving + flow * change, flow


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    most = 1.0 if repaired else knobs.pick(900.0, 1500.0)
    model = Register(knobs.pick(8, 10))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        moving, fixed = batch
        optimizer.zero_grad()
        moved, flow = model(moving, fixed)
        loss = nn.functional.mse_loss(moved, fixed) + 0.01 * flow.diff(dim=-1).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    places = torch.linspace(0, 6.28, 32)
    batches = []
    for _ in range(80):
        phase = torch.rand(8, 1, 1) * 6
        moving = 0.5 + 0.5 * torch.sin(places + phase)
        fixed = 0.5 + 0.5 * torch.sin(places + phase + 0.8)
        batches.append((most * moving, most * fixed))
    return Scenario(model, optimizer, batches, train_step, Expected(("input-scale",), (), (), None))
