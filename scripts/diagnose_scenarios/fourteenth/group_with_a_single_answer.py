"""Rewards are standardised within the group of answers to a question; in one round a group has a single answer."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, actions = knobs.step(), 3
    policy = kit.mlp(5, knobs.pick(12, 16), actions)
    optimizer = kit.adam(policy, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        total = torch.zeros(())
        for question, choice, reward in batch:
            spread = reward.std(unbiased=len(reward) > 1 or not repaired)
            advantage = (reward - reward.mean()) / (spread + 1e-4)
            logs = policy(question).log_softmax(-1)[choice]
            total = total - (advantage * logs).mean()
        loss = total / len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def group(size: int) -> tuple[Tensor, Tensor, Tensor]:
        question = torch.randn(5)
        choice = torch.randint(actions, (size,))
        return question, choice, (choice == question[:actions].argmax()).float() + 0.1 * torch.randn(size)

    batches = [[group(6) for _ in range(6)] for _ in range(60)]
    batches[step][knobs.randint(0, 5)] = group(1)
    return Scenario(policy, optimizer, batches, train_step, Expected(("batch-statistics",), ("loss",), (LOSS,), step))
