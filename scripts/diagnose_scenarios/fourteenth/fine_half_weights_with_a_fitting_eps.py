"""All weights in float16, Adam with an eps of 1e-3, a loss of ordinary size: rough, but it learns."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3).half()
    optimizer = kit.adam(model, lr=0.01, eps=1e-3)
    batches = [(x.half(), y) for x, y in kit.classes(70, 24, 8, 3)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
