"""zero_grad was left in the outer loop: within an epoch each step adds all gradients since its start."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(10, 24), act=nn.Softplus(), head=nn.Linear(24, 3))
    optimizer = kit.sgd(model, lr=knobs.pick(0.04, 0.06), momentum=0.9)
    epoch, count = knobs.pick(90, 100), [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        if repaired or count[0] % epoch == 0:
            model.zero_grad()
        count[0] += 1
        loss = (model(x) - y).square().sum(1).mean()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(200, 24, 10, 3),
        train_step,
        Expected(("zero-grad",), (), (), None),
    )
