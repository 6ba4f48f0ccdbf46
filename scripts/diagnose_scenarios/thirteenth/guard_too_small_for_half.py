"""log(p + 1e-8) in float16: the guard itself rounds to 0, so a probability of 0 is as bad as without it."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count, gap = knobs.pick(3, 4), knobs.pick(19.0, 23.0)
    model = kit.mlp(8, knobs.pick(12, 16), count)
    with torch.no_grad():
        model.head.bias[0] = -gap
    optimizer = kit.adam(model, lr=0.3)
    guard = 1e-3 if repaired else 1e-8

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        chances = logits.softmax(1)
        wanted = nn.functional.one_hot(labels, count).to(chances.dtype)
        return -((chances + guard).log() * wanted).sum(1).float().mean() + 0.02 * logits.float().square().mean()

    return Scenario(
        model,
        optimizer,
        kit.classes(60, 24, 8, count),
        kit.train(model, optimizer, criterion, amp=torch.float16),
        Expected(("underflow",), ("loss",), (LOSS,)),
    )
