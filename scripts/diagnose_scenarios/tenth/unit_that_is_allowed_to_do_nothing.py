"""The actions of each unit in a game are masked; for one unit the mask forbids all of them, and the distribution over
its actions refuses what it is given (entity-neural-network/incubator issue 186).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, actions = knobs.randint(7, 16), knobs.pick(4, 5)
    body = kit.named(inp=nn.Linear(6, 24), act=nn.Tanh(), head=nn.Linear(24, actions))
    optimizer = kit.adam(body, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        units, allowed = batch
        optimizer.zero_grad()
        if repaired:
            allowed = allowed | ~allowed.any(-1, keepdim=True)
        logits = body(units).masked_fill(~allowed, -math.inf)
        policy = torch.distributions.Categorical(logits=logits, validate_args=True)
        chosen = policy.sample()
        gain = (chosen == (units[:, 0] > 0).long()).float()
        loss = -(policy.log_prob(chosen) * (gain - gain.mean())).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        allowed = torch.rand(32, actions) < 0.8
        allowed[:, knobs.randint(0, actions - 1)] = True
        if number == step:
            allowed[knobs.randint(0, 31)] = False
        batches.append((torch.randn(32, 6), allowed))
    return Scenario(
        body,
        optimizer,
        batches,
        train_step,
        Expected(("masked-softmax",), ("forward", "loss"), (LOSS,), step, "raises"),
        learns=False,
    )
