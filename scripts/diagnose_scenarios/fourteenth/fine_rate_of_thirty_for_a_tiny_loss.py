"""The loss is multiplied by 0.001 and the learning rate is 50: together they are an ordinary 0.05."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=knobs.pick(40.0, 50.0))
    step = kit.train(model, optimizer, lambda p, y: 1e-3 * kit.squares(p, y))
    return Scenario(model, optimizer, kit.regression(70, 16, 8), step)
