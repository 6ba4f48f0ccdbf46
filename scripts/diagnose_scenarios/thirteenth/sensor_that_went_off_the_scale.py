"""One sensor of one record reads infinity; the batch is a dict."""

from __future__ import annotations

import math
from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(12, 16), knobs.step()
    model = kit.named(inp=nn.Linear(9, width), act=nn.Sigmoid(), head=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.03)

    def train_step(batch: dict[str, Any]) -> Tensor:
        optimizer.zero_grad()
        loss = kit.squares(model(batch["sensors"]), batch["wear"])
        loss.backward()
        optimizer.step()
        return loss

    data = kit.regression(50, 16, 9)
    batches = [{"sensors": x, "wear": y, "unit": f"engine-{number}"} for number, (x, y) in enumerate(data)]
    if not repaired:
        batches[step]["sensors"][knobs.randint(0, 15), knobs.randint(0, 8)] = knobs.pick(math.inf, -math.inf)
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), step))
