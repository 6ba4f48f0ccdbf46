"""Every label of a batch equals the number of classes, is taken for `ignore`, and the mean goes over nothing."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count = knobs.step(), knobs.pick(3, 4, 5)
    model = kit.mlp(8, knobs.pick(16, 24), count)
    optimizer = kit.sgd(model, lr=0.1)
    batches = kit.classes(50, 16, 8, count)
    if not repaired:
        batches[step][1].fill_(count)

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits, torch.where(labels < count, labels, -100))

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels", "division-by-zero"), ("data", "loss"), (LOSS,), step),
    )
