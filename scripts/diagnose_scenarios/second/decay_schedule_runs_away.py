"""Weight decay that a schedule multiplies each step where it should rise to a limit."""

from __future__ import annotations

import math
from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.05, weight_decay=1e-4)
    factor = knobs.pick(1.5, 1.8)
    plain = kit.train(model, optimizer, kit.squares)

    def train_step(batch: Any) -> Tensor:
        loss = plain(batch)
        group = optimizer.param_groups[0]
        group["weight_decay"] = min(group["weight_decay"] * factor, 1e-2 if repaired else math.inf)
        return loss

    return Scenario(model, optimizer, kit.regression(90, 16, 8), train_step, Expected(("weight-decay",), (), (), None))
