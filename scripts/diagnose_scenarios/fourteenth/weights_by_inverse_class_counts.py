"""A loss weights each class by one over its count in the batch, and in one batch a class is missing: infinity times
0.
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor
from torch.nn import functional


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count = knobs.step(), knobs.pick(3, 4)
    model = kit.mlp(7, knobs.pick(14, 18), count)
    optimizer = kit.sgd(model, lr=0.1)

    def balanced(logits: Tensor, labels: Tensor) -> Tensor:
        hot = functional.one_hot(labels, count).float()
        found = hot.sum(0)
        weight = 1 / (found.clamp(min=1) if repaired else found)
        each = -(hot * logits.log_softmax(1)).sum(0)
        return (weight * each).sum() / count

    batches = kit.classes(50, 40, 7, count)
    x, y = batches[step]
    lost = knobs.randint(0, count - 1)
    keep = y != lost
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x[keep], y[keep])),
        kit.train(model, optimizer, balanced),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
