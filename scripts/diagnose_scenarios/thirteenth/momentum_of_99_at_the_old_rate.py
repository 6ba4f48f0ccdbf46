"""The rate was tuned without momentum; with a momentum of 0.99 it is a hundred times too much."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs = knobs.pick(8, 10)
    model = kit.named(conv=nn.Conv1d(1, 6, 3), flat=nn.Flatten(), head=nn.Linear(6 * (inputs - 2), 1))
    rate = knobs.pick(0.25, 0.3)
    optimizer = kit.sgd(model, lr=rate / 100 if repaired else rate, momentum=0.9 if repaired else 0.99)
    batches = [(x[:, None], y) for x, y in kit.regression(80, 32, inputs)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
