"""Advantages are brought to unit spread before a policy is updated; where every step of the rollout earned as much as
expected, their spread is zero (michaelnny/deep_rl_zoo issue 17).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Rollout(NamedTuple):
    state: Tensor
    action: Tensor
    old: Tensor
    advantage: Tensor
    target: Tensor


class ActorCritic(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, width), nn.Tanh())
        self.policy = nn.Linear(width, 3)
        self.value = nn.Linear(width, 1)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(state)
        return self.policy(h).log_softmax(1), self.value(h)[:, 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(7, 19)
    model = ActorCritic(knobs.pick(16, 24))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    spare = 1e-8 if repaired else 0.0

    def train_step(rollout: Rollout) -> Any:
        logp, value = model(rollout.state)
        advantage = (rollout.advantage - rollout.advantage.mean()) / (rollout.advantage.std() + spare)
        ratio = (logp.gather(1, rollout.action[:, None])[:, 0] - rollout.old).exp()
        surrogate = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        loss = -surrogate.mean() + nn.functional.mse_loss(value, rollout.target)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss

    rollouts = []
    for number in range(60):
        state = torch.randn(32, 4)
        action = torch.randint(3, (32,))
        advantage = torch.where(action == (state[:, 0] > 0).long(), 1.0, -1.0) + 0.1 * torch.randn(32)
        if number == step:
            advantage = torch.full((32,), knobs.pick(0.0, 0.5))
        rollouts.append(Rollout(state, action, torch.full((32,), -1.0986), advantage, 2 * state[:, 1]))
    return Scenario(model, optimizer, rollouts, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
