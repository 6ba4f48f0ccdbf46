"""After a change only the actor's observations are normalised; the critic gets metres by the thousand beside angles,
and nothing is learnt any more (Unity-Technologies/ml-agents issue 5583).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Agent(nn.Module):
    def __init__(self, seen: int, width: int, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(seen, width), nn.SiLU(), nn.Linear(width, 2))
        self.critic = nn.Sequential(nn.Linear(seen, width), nn.SiLU(), nn.Linear(width, 1))
        self.mean, self.spread = nn.Buffer(mean), nn.Buffer(spread)

    def normal(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.spread


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    spread = torch.tensor([1.0, 1.0, knobs.pick(1000.0, 1500.0), 800.0])
    agent = Agent(4, knobs.pick(12, 16), 2 * spread, spread)
    optimizer = kit.sgd(agent, lr=0.05)

    def train_step(batch: Any) -> Tensor:
        seen, advantage, action, value = batch
        optimizer.zero_grad()
        chosen = agent.actor(agent.normal(seen)).log_softmax(-1).gather(1, action)[:, 0]
        valued = agent.critic(agent.normal(seen) if repaired else seen)[:, 0]
        loss = -(chosen * advantage).mean() + 0.5 * (valued - value).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        state = torch.randn(32, 4)
        action = torch.randint(2, (32, 1))
        advantage = torch.where(action[:, 0] == (state[:, 0] > 0), 1.0, -1.0)
        batches.append(((state + 2) * spread, advantage, action, 2 * state[:, 2] + state[:, 1] + 1))
    return Scenario(agent, optimizer, batches, train_step, Expected(("input-scale",), (), (), None), learns=True)
