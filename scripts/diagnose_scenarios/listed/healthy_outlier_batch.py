"""One batch of outliers: the loss jumps a hundredfold for a step and comes back."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model)
    batches = kit.regression(80, 16, 8)
    step = knobs.randint(20, 40)
    x, y = batches[step]
    return Scenario(
        model, optimizer, kit.at(batches, step, (5 * x, 20 * y)), kit.train(model, optimizer, kit.squares, clip=5.0)
    )
