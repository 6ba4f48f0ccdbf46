"""A policy gradient without a baseline: returns are noise, and its loss says nothing about how well it does."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    policy = kit.mlp(5, knobs.pick(12, 16), 3)
    optimizer = kit.adam(policy, lr=0.01)

    def train_step(state: Tensor) -> Tensor:
        chance = torch.distributions.Categorical(logits=policy(state))
        action = chance.sample()
        reward = (state[:, :3].argmax(1) == action).float() + 2 * torch.randn(len(state))
        loss = -(reward * chance.log_prob(action)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(policy, optimizer, [torch.randn(32, 5) for _ in range(60)], train_step, learns=False)
