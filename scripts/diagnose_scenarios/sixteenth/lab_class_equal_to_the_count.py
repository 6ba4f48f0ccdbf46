"""Labels that count from 1 reach the one-hot encoding of a focal loss: the class that equals the count raises."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count = knobs.step(), knobs.pick(4, 6)
    model = kit.mlp(8, knobs.pick(16, 20), count)
    optimizer = kit.sgd(model, lr=0.1)

    def focal(logits: Tensor, labels: Tensor) -> Tensor:
        chosen = nn.functional.one_hot(labels, count).float()
        logp = logits.log_softmax(-1)
        return -(chosen * (1 - logp.exp()).square() * logp).sum(1).mean()

    batches = kit.classes(50, 16, 8, count)
    if not repaired:
        batches[step][1].add_(1)
        batches[step][1][0] = count
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, focal),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step, "raises"),
    )
