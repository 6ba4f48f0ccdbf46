"""Steps with too large a gradient are left out, and scaler.update() with them: the next unscale_ raises
(Haian-Jin/LVSM pull request 19).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ViewSynthesis(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch = nn.Linear(6, width)
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True)
        self.rgb = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.rgb(self.layer(self.patch(x)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = ViewSynthesis(knobs.pick(12, 16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
    scaler = kit.new_scaler(2.0**12)

    def train_step(batch: Any) -> Tensor:
        rays, rgb = batch
        optimizer.zero_grad()
        with kit.autocast(torch.bfloat16):
            out = model(rays)
        loss = kit.squares(out, rgb)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if norm < 50:
            scaler.step(optimizer)
            scaler.update()
        elif repaired:
            scaler.update()
        return loss

    teacher = torch.randn(6, 3) / 2
    batches = []
    for number in range(50):
        rays = torch.randn(8, 6, 6)
        rgb = rays @ teacher
        batches.append((rays, 1000 * rgb if number == step else rgb))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("scaler-misuse",), (), (), step + 1, "raises"),
        scaler=scaler,
    )
