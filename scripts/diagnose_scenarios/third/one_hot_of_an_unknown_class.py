"""A detection head's targets are made by one_hot; one label is beyond the last class, and torch raises."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count, width = knobs.step(), knobs.pick(4, 5), knobs.pick(8, 12)
    model = kit.named(conv=nn.Conv2d(2, width, 3), act=nn.SiLU(), flat=nn.Flatten(), head=nn.Linear(width * 16, count))
    optimizer = kit.adam(model, lr=0.01)
    batches = kit.images(50, 12, 2, 6, count)
    if not repaired:
        batches[step][1][knobs.randint(0, 11)] = count + knobs.pick(0, 3)

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        wanted = nn.functional.one_hot(labels, count).float()
        return nn.functional.binary_cross_entropy_with_logits(logits, wanted)

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step, "raises"),
    )
