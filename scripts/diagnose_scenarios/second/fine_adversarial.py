"""Two nets against each other under two optimizers in one step; the second one is not the watched one."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model, critic = kit.mlp(4, knobs.pick(16, 24), 2), kit.mlp(2, 16, 1)
    optimizer = kit.adam(model, lr=0.003, betas=(0.5, 0.9))
    other = kit.adam(critic, lr=0.003, betas=(0.5, 0.9))
    bce = nn.functional.binary_cross_entropy_with_logits

    def train_step(batch: Any) -> Tensor:
        noise, real = batch
        fake = model(noise)
        other.zero_grad()
        (bce(critic(real), torch.ones(16, 1)) + bce(critic(fake.detach()), torch.zeros(16, 1))).backward()
        other.step()
        optimizer.zero_grad()
        loss = bce(critic(fake), torch.ones(16, 1))
        loss.backward()
        optimizer.step()
        return loss

    batches = [(torch.randn(16, 4), torch.randn(16, 2) + 2) for _ in range(60)]
    return Scenario(model, optimizer, batches, train_step, learns=False, extra_state=(critic, other))
