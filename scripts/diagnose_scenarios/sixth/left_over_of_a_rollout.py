"""Policy optimisation in small batches of 16 from a rollout of 33 or 49 actions: the last one holds a single action,
whose advantage has no deviation (DLR-RM/stable-baselines3 issue 325, jolibrain/wheatley pull request 93).
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
    step, actions = knobs.step(), 3
    policy = kit.named(body=nn.Linear(4, 16), act=nn.Tanh(), pi=nn.Linear(16, actions))
    optimizer = kit.adam(policy, lr=0.005)
    value = torch.randn(4, actions)

    def train_step(rollout: Any) -> Tensor:
        states, chosen, returns, before = rollout
        losses = []
        for part in torch.arange(len(states)).split(16):
            if repaired and len(part) == 1:
                continue
            advantage = returns[part]
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            logp = policy(states[part]).log_softmax(-1).gather(1, chosen[part, None])[:, 0]
            ratio = (logp - before[part]).exp()
            loss = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean()

    batches = []
    for number in range(40):
        many = knobs.pick(33, 49) if number == step else 32
        states, chosen = torch.randn(many, 4), torch.randint(actions, (many,))
        returns = (states @ value).gather(1, chosen[:, None])[:, 0]
        batches.append((states, chosen, returns, torch.full((many,), -math.log(actions))))
    return Scenario(
        policy,
        optimizer,
        batches,
        train_step,
        Expected(("batch-statistics",), ("loss",), (LOSS,), step),
        learns=False,
    )
