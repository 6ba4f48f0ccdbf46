"""Of two losses with backward calls made by hand only the small one is scaled; the other's gradients are divided by a
scale that they never had (Lightning-AI/pytorch-lightning issue 4148).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Coder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc, self.dec, self.kind = nn.Linear(12, width), nn.Linear(width, 12), nn.Linear(12, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.dec(self.enc(x).relu()), self.kind(x)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Coder(knobs.pick(24, 32))
    optimizer = kit.sgd(model, lr=0.5)
    scaler = kit.new_scaler(2.0**14)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            found, kind = model(batch)
        main = nn.functional.mse_loss(found.float(), batch)
        side = 0.01 * kit.cross_entropy(kind, (batch[:, 0] > 0).long())
        scaler.scale(side).backward()
        (scaler.scale(main) if repaired else main).backward()
        scaler.step(optimizer)
        scaler.update()
        return main + side

    mix = torch.randn(3, 12)
    return Scenario(
        model,
        optimizer,
        [torch.randn(32, 3) @ mix for _ in range(60)],
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
