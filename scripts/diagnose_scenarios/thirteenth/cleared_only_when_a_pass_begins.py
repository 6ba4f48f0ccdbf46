"""zero_grad stands before the loop over batches instead of in it: it is called once in forty steps."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 16), act=nn.ReLU(), head=nn.Linear(16, 1))
    optimizer = kit.sgd(model, lr=0.06, momentum=0.9)
    batches, length, count = kit.regression(160, 16, 8), knobs.pick(40, 50), [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        if repaired or count[0] % length == 0:
            model.zero_grad()
        count[0] += 1
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, batches, train_step, Expected(("zero-grad",), (), (), None, "nonfinite"))
