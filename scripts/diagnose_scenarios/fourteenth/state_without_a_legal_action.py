"""A policy hides illegal actions, and a finished game has no legal one: the distribution refuses its NaN and raises."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, actions = knobs.step(), knobs.pick(4, 5)
    policy = kit.mlp(7, knobs.pick(14, 18), actions)
    optimizer = kit.adam(policy, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        state, legal, best = batch
        logits = policy(state).masked_fill(~legal, -math.inf)
        chance = torch.distributions.Categorical(logits=logits, validate_args=True)
        loss = -chance.log_prob(best).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for i in range(60):
        state, legal = torch.randn(16, 7), torch.rand(16, actions) < 0.7
        legal[:, 1] = True
        best = state[:, :actions].masked_fill(~legal, -9).argmax(1)
        if i == step and not repaired:
            legal[9] = False
        batches.append((state, legal, best))
    expected = Expected(("masked-softmax",), ("loss",), (LOSS,), step, "raises")
    return Scenario(policy, optimizer, batches, train_step, expected)
