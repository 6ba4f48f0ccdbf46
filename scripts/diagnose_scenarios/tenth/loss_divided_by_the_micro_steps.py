"""The loss is divided by the number of micro-steps before each backward in half precision; the more micro-steps, the
less of a gradient is left to add up (andreped/GradientAccumulator issue 35).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    micro = knobs.pick(8, 10)
    model = kit.named(inp=nn.Linear(6, 16), act=nn.Tanh(), out=nn.Linear(16, 1))
    model.half()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, eps=1e-3, foreach=False)
    unit = knobs.pick(1e-6, 2e-6)
    late = 2.0**20 if repaired else 1.0

    def train_step(batch: Any) -> Tensor:
        total = torch.zeros(())
        optimizer.zero_grad()
        for x, y in zip(*(part.chunk(micro) for part in batch), strict=True):
            loss = kit.squares(model(x), y) * unit
            (loss / micro * late).backward()
            total += loss.detach() / micro
        optimizer.step()
        return total

    return Scenario(
        model,
        optimizer,
        [(x.half(), y) for x, y in kit.regression(60, 16 * micro, 6)],
        train_step,
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
