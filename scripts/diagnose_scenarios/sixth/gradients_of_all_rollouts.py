"""A reinforcement learner with a value head and several passes over each rollout never zeroes gradients after its
steps (meta-pytorch/torchforge pull request 71).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Critic(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Linear(5, width)
        self.act = nn.ELU()
        self.value = nn.Linear(width, 1)

    def forward(self, states: Tensor) -> Tensor:
        return self.value(self.act(self.body(states)))[:, 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    critic = Critic(knobs.pick(16, 24))
    optimizer = kit.sgd(critic, lr=knobs.pick(0.1, 0.12))

    def train_step(rollout: Any) -> Tensor:
        states, returns = rollout
        total = 0.0
        for part in torch.randperm(len(states)).split(16):
            loss = kit.squares(critic(states[part]), returns[part])
            if repaired:
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total = total + loss.detach()
        return total / 3

    weights = torch.randn(5)
    batches = [(s, s @ weights + 0.1 * torch.randn(48)) for s in (torch.randn(48, 5) for _ in range(60))]
    return Scenario(critic, optimizer, batches, train_step, Expected(("zero-grad",), (), (), None))
