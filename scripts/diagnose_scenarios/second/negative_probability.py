"""A soft label with a negative probability in a divergence that takes its logarithm."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count = knobs.step(), knobs.pick(3, 4)
    model = kit.mlp(8, knobs.pick(16, 24), count)
    optimizer = kit.adam(model, lr=0.02)
    batches = kit.classes(60, 16, 8, count)
    soft = [(x, 0.9 * nn.functional.one_hot(y, count) + 0.1 / count) for x, y in batches]
    if not repaired:
        soft[step][1][5, 0] -= 1.2

    def criterion(logits: Tensor, target: Tensor) -> Tensor:
        return nn.functional.kl_div(logits.log_softmax(1), target, reduction="batchmean")

    return Scenario(
        model,
        optimizer,
        soft,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
