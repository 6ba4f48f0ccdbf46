"""Advantages divided by their standard deviation; all rewards of one batch are equal."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, actions = knobs.step(), knobs.pick(3, 4)
    model = kit.mlp(6, knobs.pick(16, 24), actions)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(logits: Tensor, target: Any) -> Tensor:
        action, reward = target
        spread = reward.std()
        advantage = (reward - reward.mean()) / (spread + 1e-6 if repaired else spread)
        return -(advantage * logits.log_softmax(1).gather(1, action[:, None])[:, 0]).mean()

    xs = [torch.randn(32, 6) for _ in range(80)]
    batches = [(x, (torch.randint(actions, (32,)), torch.randn(32))) for x in xs]
    for x, (action, reward) in batches:
        reward.copy_((action == (x[:, 0] > 0).long()).float())
    batches[step][1][1].fill_(1.0)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("division-by-zero", "batch-statistics"), ("loss",), (LOSS,), step),
        learns=False,
    )
