"""A probability of 1e-9 is 0 in float16; the logarithm of the softmax is minus infinity, log_softmax would be -20."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(3, 4, 5)
    model = kit.mlp(8, knobs.pick(16, 24), count)
    with torch.no_grad():
        model.head.bias[0] = knobs.pick(20, 22, 25)
    optimizer = kit.adam(model, lr=0.3)

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        logs = logits.float().log_softmax(1) if repaired else logits.softmax(1).log()
        return -logs.gather(1, labels[:, None]).mean()

    return Scenario(
        model,
        optimizer,
        kit.classes(60, 16, 8, count),
        kit.train(model, optimizer, criterion, amp=torch.float16),
        Expected(("underflow",), ("loss",), (LOSS,)),
    )
