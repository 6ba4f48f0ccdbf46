"""Learning rate times weight decay is 6: every step turns the weights round and multiplies them by 5."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    lr = knobs.pick(0.05, 0.1)
    optimizer = kit.sgd(model, lr=lr, weight_decay=1e-4 if repaired else knobs.pick(5.0, 6.0) / lr)
    return Scenario(
        model,
        optimizer,
        kit.regression(70, 16, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None),
    )
