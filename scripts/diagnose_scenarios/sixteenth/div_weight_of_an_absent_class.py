"""Classes are weighted with one over their count in the batch; a batch without one class makes 0 times infinity."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count = knobs.step(), knobs.pick(3, 4)
    model = kit.mlp(7, knobs.pick(14, 18), count)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)

    def balanced(logits: Tensor, labels: Tensor) -> Tensor:
        chosen = nn.functional.one_hot(labels, count).float()
        number = chosen.sum(0)
        weight = 1.0 / (number.clamp(min=1) if repaired else number)
        return -(chosen * weight * logits.log_softmax(-1)).sum() / count

    batches = kit.classes(60, 32, 7, count)
    for i, (_, y) in enumerate(batches):
        y[:count] = torch.arange(count)
        if i == step:
            y[y == 1] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, balanced),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
