"""sigmoid(-22) is 0 in float16 and its logarithm is minus infinity."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def by_hand(logits: Tensor, target: Tensor) -> Tensor:
    p = logits.sigmoid()
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()


def stable(logits: Tensor, target: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits.float(), target.float())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    with torch.no_grad():
        model.head.bias.fill_(-knobs.pick(20, 22, 25))
    optimizer = kit.adam(model, lr=0.3)
    batches = [(x, (y > 0).half()) for x, y in kit.regression(60, 16, 8)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, stable if repaired else by_hand, amp=torch.float16),
        Expected(("underflow",), ("loss",), (LOSS,)),
    )
