"""One annotation carries a category id of another list than the classes of the net; making its one-hot row fails
(facebookresearch/detectron2 issue 2365).
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count = knobs.step(), 3
    model = kit.mlp(10, knobs.pick(24, 32), count)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    batches = kit.classes(40, 32, 10, count)
    if not repaired:
        batches[step][1][knobs.randint(0, 31)] = knobs.pick(333, 90)

    def sigmoid_loss(logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(logits, nn.functional.one_hot(labels, count).float())

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, sigmoid_loss),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step, "raises"),
    )
