"""Ten samples learnt by heart until the loss is 1e-7."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(32, 48), 1)
    optimizer = kit.adam(model, lr=0.01)
    batch = kit.regression(1, 10, 8)[0]
    return Scenario(model, optimizer, [batch] * 150, kit.train(model, optimizer, kit.squares))
