"""A policy gradient: the loss is noise around 0 and never falls."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(5, knobs.pick(16, 24), 3)
    optimizer = kit.adam(model)

    def train_step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        policy = torch.distributions.Categorical(logits=model(x))
        action = policy.sample()
        reward = (action == x[:, :3].argmax(1)).float()
        loss = -(policy.log_prob(action) * (reward - reward.mean())).mean()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, [torch.randn(32, 5) for _ in range(60)], train_step, learns=False)
