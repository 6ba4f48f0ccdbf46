"""The actions of a policy have no bounds, the simulated car takes whatever it is given, and its reward, computed
outside of the training, is no number any more (p-christ/Deep-Reinforcement-Learning-Algorithms-with-PyTorch issue
8).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def drive(start: float, force: float) -> float:
    place, speed = start, force
    for _ in range(8):
        speed = speed + 0.01 * speed * abs(speed)
        place = place + 0.5 * speed
    return -abs(place - 1.0) / (1.0 + abs(place))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(12, 21)
    policy = kit.named(inp=nn.Linear(1, knobs.pick(12, 16)), act=nn.Tanh(), mean=nn.LazyLinear(1))
    policy(torch.zeros(1, 1))
    optimizer = kit.adam(policy, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        start, noise = batch
        optimizer.zero_grad()
        mean = policy(start)
        force = (mean + 0.3 * noise).detach()
        if repaired:
            force = force.clamp(-3, 3)
        rewards = [drive(s, f) for s, f in zip(start[:, 0].tolist(), force[:, 0].tolist(), strict=True)]
        gain = torch.tensor(rewards)[:, None]
        loss = ((gain - gain.mean()) * (force - mean).square()).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(40):
        noise = torch.randn(24, 1)
        if number == step:
            noise[knobs.randint(0, 23)] = knobs.pick(1e6, 2e6)
        batches.append((torch.randn(24, 1), noise))
    return Scenario(
        policy,
        optimizer,
        batches,
        train_step,
        # What comes from outside is at fault; nothing that the training itself computed is.
        Expected(("unknown", "bad-data"), ("data", "loss"), (), step),
        learns=False,
    )
