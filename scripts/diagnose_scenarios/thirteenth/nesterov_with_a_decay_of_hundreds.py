"""A decay of several hundred under Nesterov momentum turns the weights round at each step and enlarges them."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, rate = knobs.pick(8, 10), knobs.pick(0.02, 0.05)
    model = kit.named(conv=nn.Conv1d(1, 5, 3), act=nn.Tanh(), flat=nn.Flatten(), head=nn.Linear(5 * (inputs - 2), 1))
    decay = 1e-4 if repaired else knobs.pick(8.0, 10.0) / rate
    optimizer = kit.sgd(model, lr=rate, momentum=0.5, nesterov=True, weight_decay=decay)
    batches = [(x[:, None], y) for x, y in kit.regression(80, 24, inputs)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None),
    )
