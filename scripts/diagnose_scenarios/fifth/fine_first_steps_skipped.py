"""The gradient norm is not a number in the first dozen steps, while the loss scale comes down from its start; the
scaler skips these steps (RobinWu218/SimDINO issue 38, NoamRosenberg/autodeeplab issue 12).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Patches(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, width, 2, stride=2)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.head = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        return self.head((tokens + self.mlp(self.norm(tokens))).mean(1))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Patches(knobs.pick(12, 16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scaler = kit.new_scaler(2.0 ** knobs.pick(28, 30))
    norms: list[float] = []

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad(set_to_none=True)
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), 3.0)))
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(model, optimizer, kit.images(80, 16, 1, 8, 4), train_step, scaler=scaler)
