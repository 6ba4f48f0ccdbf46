"""An ordinary small training in float32."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24, 32), 3)
    optimizer = kit.sgd(model, lr=0.1, momentum=knobs.pick(0.0, 0.9))
    return Scenario(model, optimizer, kit.classes(50, 16, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
