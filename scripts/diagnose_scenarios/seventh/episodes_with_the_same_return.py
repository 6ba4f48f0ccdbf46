"""Advantages are divided by their deviation without an eps; in one batch every episode has the same return (as in
thu-ml/tianshou pull request 1298).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, eps = knobs.step(), 1e-8 if repaired else 0.0
    policy = kit.named(body=nn.Linear(4, knobs.pick(16, 24)), act=nn.Tanh(), logits=nn.LazyLinear(2))
    policy(torch.zeros(1, 4))
    optimizer = kit.adam(policy, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        states, actions, returns, best = batch
        logits = policy(states)
        advantages = (returns - returns.mean()) / (returns.std() + eps)
        chosen = logits.log_softmax(-1).gather(1, actions[:, None]).squeeze(1)
        loss = -(chosen * advantages).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return kit.cross_entropy(logits, best).detach() if loss.isfinite() else loss

    batches = []
    for number in range(60):
        states, actions = torch.randn(32, 4), torch.randint(2, (32,))
        best = (states[:, 0] > 0).long()
        returns = torch.ones(32) if number == step else (actions == best).float()
        batches.append((states, actions, returns, best))
    # the deviation of equal returns is zero: a statistic of the batch, and a division by it
    return Scenario(
        policy,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero", "batch-statistics"), ("loss",), (LOSS,), step),
    )
