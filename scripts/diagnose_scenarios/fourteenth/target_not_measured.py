"""A regression's targets hold NaN where nothing was measured, and the loss of two heads averages over all of them."""

from __future__ import annotations

import math
from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class TwoHeads(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body, self.speed, self.depth = nn.Linear(6, width), nn.Linear(width, 1), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = self.body(x).tanh()
        return {"speed": self.speed(h), "depth": self.depth(h)}


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = TwoHeads(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        found = model(batch["x"])
        loss = sum(functional.mse_loss(found[name], batch[name]) for name in ("speed", "depth"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = [{"x": x, "speed": y[:, :1], "depth": y[:, 1:]} for x, y in kit.regression(60, 16, 6, 2)]
    if not repaired:
        batches[step]["depth"] = batches[step]["depth"].clone()
        batches[step]["depth"][knobs.randint(0, 15)] = math.nan
    expected = Expected(("bad-labels", "bad-data"), ("data", "loss"), (), step)
    return Scenario(model, optimizer, batches, train_step, expected)
