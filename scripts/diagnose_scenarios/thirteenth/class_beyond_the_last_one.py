"""Labels are numbered from 1; the highest is one too many for the one-hot rows of the loss, which raises."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count, step = knobs.pick(3, 4, 5), knobs.randint(8, 20)
    model = kit.mlp(8, knobs.pick(12, 16), count)
    optimizer = kit.sgd(model, lr=0.1)
    batches = kit.classes(50, 16, 8, count)
    for number, (_, y) in enumerate(batches):
        y.clamp_(max=count - 2 if number < step else count - 1)
    if not repaired:
        batches[step][1][knobs.randint(0, 15)] = count

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        wanted = nn.functional.one_hot(labels, count).float()
        return -(wanted * logits.log_softmax(1)).sum(1).mean()

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels",), ("loss",), (LOSS,), step, "raises"),
    )
