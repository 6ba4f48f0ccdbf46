"""A factor of the loss comes from another program's answer, a Python number; once the answer was not a number."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Service:
    """Stands for a service that is asked over a network: nothing of it can be seen from here."""

    def __init__(self, bad_call: int) -> None:
        self.calls, self.bad_call = 0, bad_call

    def factor(self) -> float:
        self.calls += 1
        return float("nan" if self.calls == self.bad_call else "1.0")


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(8, width), act=nn.Tanh(), out=nn.Linear(width, 2))
    optimizer, service = kit.adam(model, lr=0.02), Service(-1 if repaired else step + 1)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = service.factor() * kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model, optimizer, kit.regression(60, 16, 8, 2), train_step, Expected(("unknown",), ("loss",), (), step)
    )
