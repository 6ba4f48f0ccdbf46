"""Advantages are divided by their own deviation, and in one round every episode earned the same reward."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, actions = knobs.step(), knobs.pick(3, 4)
    policy = kit.mlp(6, knobs.pick(12, 16), actions)
    optimizer = kit.adam(policy, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        state, action, reward = batch
        spread = reward.std(unbiased=False)
        advantage = (reward - reward.mean()) / (spread + 1e-6 if repaired else spread)
        logs = policy(state).log_softmax(-1).gather(1, action[:, None])[:, 0]
        loss = -(advantage * logs).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for i in range(60):
        state, action = torch.randn(24, 6), torch.randint(actions, (24,))
        won = (state[:, :actions].argmax(1) == action).float()
        batches.append((state, action, torch.full((24,), 1.0) if i == step else won))
    return Scenario(
        policy, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step), learns=True
    )
