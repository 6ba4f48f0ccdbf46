"""One batch with targets a thousand times too large under a Huber loss and clipping: the loss jumps for one step."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(20, 30)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.2)
    batches = kit.regression(70, 24, 8)
    x, y = batches[step]
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, 1000 * y)),
        kit.train(model, optimizer, lambda p, t: nn.functional.huber_loss(p, t), clip=1.0),
    )
