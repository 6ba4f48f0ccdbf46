"""The mean absolute percentage error divides by the true value, and one shop sold nothing that day."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(6, knobs.pick(12, 18), 2)
    optimizer = kit.adam(model, lr=0.02)
    least = 0.1 if repaired else 0.0
    batches = [(x, y.exp() + 0.2) for x, y in kit.regression(60, 16, 6, 2)]
    batches[step][1][knobs.randint(0, 15), knobs.randint(0, 1)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, y: ((p - y).abs() / y.abs().clamp(min=least)).mean()),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
