"""The likelihood of a sequence is the product of its probabilities: long ones come to 0 in float32, the log to -inf."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count = knobs.randint(2, 12), knobs.pick(4, 5)
    model = kit.mlp(6, 16, count)
    optimizer = kit.adam(model, lr=0.02)
    centres = torch.randn(count, 6)

    def chains(length: int) -> Any:
        labels = torch.randint(count, (4, length))
        return centres[labels] + 0.7 * torch.randn(4, length, 6), labels

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        if repaired:
            return -logits.log_softmax(-1).gather(-1, labels[..., None]).sum((1, 2)).mean() / labels.shape[1]
        chosen = logits.softmax(-1).gather(-1, labels[..., None])[..., 0]
        return -chosen.prod(1).log().mean() / labels.shape[1]

    batches = kit.at([chains(12) for _ in range(60)], step, chains(knobs.pick(900, 1200)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
