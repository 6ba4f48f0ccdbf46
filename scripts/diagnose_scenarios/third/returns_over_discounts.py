"""Returns by the trick `sum of discounted rewards / discount ** t` in float16: the power of a late step is zero."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def returns(rewards: Tensor, discount: float) -> Tensor:
    power = discount ** torch.arange(len(rewards)).to(rewards.dtype)
    return (rewards * power).flip(0).cumsum(0).flip(0) / power


def build(seed: int, repaired: bool = False) -> Scenario:
    """A critic learns the returns of episodes; one is long."""
    knobs = kit.Knobs(seed)
    step, discount = knobs.step(), knobs.pick(0.88, 0.9)
    width = knobs.pick(16, 24)
    critic = kit.named(inp=nn.Linear(6, width), act=nn.Tanh(), value=nn.Linear(width, 1))
    optimizer = kit.adam(critic, lr=0.02)
    teacher = torch.randn(6)

    def train_step(batch: Any) -> Tensor:
        seen, rewards = batch
        optimizer.zero_grad()
        wanted = returns(rewards if repaired else rewards.half(), discount).float()
        loss = (critic(seen).squeeze(1) - wanted).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    lengths = [knobs.pick(24, 32) for _ in range(100)]
    lengths[step] = knobs.pick(230, 260)
    seen = [torch.randn(length, 6) for length in lengths]
    batches = [(x, 0.2 * (x @ teacher).tanh() + 0.4) for x in seen]
    return Scenario(critic, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
