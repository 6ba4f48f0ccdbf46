"""A net wholly in float16 with an eps of Adam that float16 can hold."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(24, 32), 3).half()
    optimizer = kit.adam(model, lr=0.01, eps=1e-3)
    batches = [(x.half(), y) for x, y in kit.classes(50, 32, 8, 3)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
