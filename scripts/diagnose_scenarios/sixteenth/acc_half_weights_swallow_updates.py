"""Weights kept in float16 near 4: every update is below half a unit in their last place and is lost when it is
added.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, level = knobs.pick(5, 7), knobs.pick(4.1, 4.6)
    kind = torch.float32 if repaired else torch.float16
    model = nn.Linear(inputs, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(level)
    model = model.to(kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.003)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.smooth_l1_loss(model(x.to(kind)).float(), y)
        loss.backward()
        optimizer.step()
        return loss

    xs = [torch.rand(32, inputs) for _ in range(120)]
    return Scenario(
        model,
        optimizer,
        [(x, level * x.sum(1, keepdim=True) - 1.0) for x in xs],
        train_step,
        Expected(("fp16-accumulation",), ("optimizer",), (), None, "stalls"),
    )
