"""All actions of one state are masked with minus infinity before log_softmax."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, actions = knobs.step(), knobs.pick(4, 5)
    model = kit.mlp(8, knobs.pick(16, 24), actions)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(logits: Tensor, target: Any) -> Tensor:
        chosen, illegal = target
        logs = logits.masked_fill(illegal, float("-inf")).log_softmax(1)
        return -logs.gather(1, chosen[:, None]).mean()

    batches = [(x, (y, torch.rand(16, actions) > 0.7)) for x, y in kit.classes(60, 16, 8, actions)]
    for _, (chosen, illegal) in batches:
        illegal[torch.arange(16), chosen] = False
    if not repaired:
        batches[step][1][1][6] = True
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("masked-softmax",), ("loss",), (LOSS,), step),
    )
