"""Returns of a policy-gradient batch are divided by their deviation; in one batch every episode earned the same."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, actions = knobs.step(), knobs.pick(3, 4)
    policy = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, actions))
    optimizer = kit.adam(policy, lr=0.02)
    best = torch.randn(6, actions)
    small = 1e-6 if repaired else 0.0
    batches = []
    for i in range(50):
        seen = torch.randn(32, 6)
        taken = torch.randint(actions, (32,))
        earned = (seen @ best).gather(1, taken[:, None])[:, 0]
        batches.append({"seen": seen, "taken": taken, "earned": torch.full((32,), 2.0) if i == step else earned})

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad()
        earned = batch["earned"]
        advantage = (earned - earned.mean()) / (earned.std() + small)
        chosen = policy(batch["seen"]).log_softmax(-1).gather(1, batch["taken"][:, None])[:, 0]
        loss = -(advantage * chosen).mean()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        policy,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
