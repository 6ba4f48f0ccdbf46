"""Soft actor-critic: two critics against a slowly following copy, and a temperature tuned by an optimizer of its own;
losses rise as the targets do (DLR-RM/stable-baselines3).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Twin(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.q1, self.q2 = kit.mlp(5, width, 1), kit.mlp(5, width, 1)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        both = torch.cat([state, action], 1)
        return torch.cat([self.q1(both), self.q2(both)], 1)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    critic, target = Twin(width), Twin(width)
    target.load_state_dict(critic.state_dict())
    policy = kit.mlp(4, 16, 2)
    policy.log_alpha = log_alpha = nn.Parameter(torch.zeros(()))
    optimizer = kit.adam(critic, lr=0.005)
    others = torch.optim.Adam(policy.parameters(), lr=0.003)

    def act(state: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = policy(state).chunk(2, 1)
        spread = spread.clamp(-5, 1).exp()
        raw = mean + spread * torch.randn_like(mean)
        density = -0.5 * ((raw - mean) / spread).square() - spread.log()
        density = density - 2 * (math.log(2) - raw - nn.functional.softplus(-2 * raw))
        return raw.tanh(), density

    def train_step(batch: Any) -> Tensor:
        state, action, reward, after = batch
        with torch.no_grad():
            follow, density = act(after)
            value = target(after, follow).amin(1, keepdim=True) - log_alpha.exp() * density
            wanted = reward + 0.95 * value
        loss = (critic(state, action) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        chosen, density = act(state)
        gain = (log_alpha.exp().detach() * density - critic(state, chosen).amin(1, keepdim=True)).mean()
        others.zero_grad()
        (gain - (log_alpha * (density + 1).detach()).mean()).backward()
        others.step()
        with torch.no_grad():
            for mine, its in zip(target.parameters(), critic.parameters(), strict=True):
                mine.lerp_(its, 0.02)
        return loss

    batches = []
    for _ in range(60):
        state, action = torch.randn(32, 4), torch.rand(32, 1) * 2 - 1
        batches.append((state, action, 1 - (action - state[:, :1]).abs(), state + 0.1 * torch.randn(32, 4)))
    return Scenario(critic, optimizer, batches, train_step, learns=False, extra_state=(target, policy, others))
