"""One file numbers its classes from one: the highest lies outside what the loss looks up, and torch raises."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count, step = knobs.pick(4, 5), knobs.step()
    model = kit.mlp(8, knobs.pick(16, 20), count)
    optimizer = kit.adam(model, lr=0.02)
    batches = kit.classes(50, 24, 8, count)
    x, y = batches[step]
    y[0] = count - 1

    def picked(logits: Tensor, labels: Tensor) -> Tensor:
        return -logits.log_softmax(1).gather(1, labels[:, None]).mean()

    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y if repaired else y + 1)),
        kit.train(model, optimizer, picked),
        Expected(("bad-labels",), ("loss",), (LOSS,), step, "raises"),
    )
