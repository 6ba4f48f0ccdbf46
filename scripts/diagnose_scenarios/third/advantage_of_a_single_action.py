"""Policy gradient with advantages brought to mean 0 and deviation 1; one episode ended after a single action."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    policy = kit.mlp(5, knobs.pick(16, 24), 3)
    optimizer = kit.adam(policy, lr=0.01)
    teacher = torch.randn(5, 3)

    def train_step(batch: Any) -> Tensor:
        """Minus the mean reward is returned: it is what falls."""
        seen, worth = batch
        optimizer.zero_grad()
        chance = torch.distributions.Categorical(logits=policy(seen))
        action = chance.sample()
        reward = worth.gather(1, action[:, None]).squeeze(1)
        advantage = (reward - reward.mean()) / (reward.std() + 1e-6)
        loss = -(chance.log_prob(action) * advantage).mean()
        loss.backward()
        optimizer.step()
        return loss

    lengths = [knobs.pick(24, 32) for _ in range(60)]
    lengths[step] = 2 if repaired else 1
    seen = [torch.randn(length, 5) for length in lengths]
    return Scenario(
        policy,
        optimizer,
        [(x, x @ teacher) for x in seen],
        train_step,
        Expected(("batch-statistics",), ("loss",), (LOSS,), step),
        learns=False,
    )
