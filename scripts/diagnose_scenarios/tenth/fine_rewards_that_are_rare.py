"""Most batches of a policy hold no reward at all: their loss is exactly zero and so is every gradient; now and then one
batch has some.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    policy = kit.mlp(4, knobs.pick(12, 16), 3)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=0.01, weight_decay=0.01)
    often = knobs.pick(4, 5)

    def train_step(batch: Any) -> Tensor:
        seen, luck = batch
        optimizer.zero_grad(set_to_none=True)
        choice = torch.distributions.Categorical(logits=policy(seen))
        action = choice.sample()
        reward = luck * (action == 1).float()
        loss = -(choice.log_prob(action) * reward).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [(torch.randn(16, 4), float(number % often == 0)) for number in range(60)]
    return Scenario(policy, optimizer, batches, train_step, learns=False)
