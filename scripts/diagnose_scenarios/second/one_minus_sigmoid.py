"""1 - sigmoid(9) is 0 in float16: the logarithm of the other class is minus infinity."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    with torch.no_grad():
        model.head.bias.fill_(knobs.pick(10.0, 11.0, 12.0))
    optimizer = kit.adam(model, lr=0.2)

    def criterion(logits: Tensor, y: Tensor) -> Tensor:
        logits = logits.float() if repaired else logits
        p = logits.sigmoid()
        yes, no = p.log(), (1 - p).log()
        if repaired:
            yes, no = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
        return -((1 - p).square() * y * yes + p.square() * (1 - y) * no).mean()

    batches = [(x, (y > 0).half()) for x, y in kit.regression(80, 16, 8)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion, amp=torch.float16),
        Expected(("underflow",), ("loss",), (LOSS,)),
    )
