"""The mean over positive pairs is divided by their number, and a small batch of singletons has no pair of one person
(tensorflow/addons issue 2447).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(conv=nn.Conv1d(4, 16, 3), act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(16 * 6, 8))
    optimizer = kit.adam(model, lr=0.005)
    people = torch.randn(knobs.pick(12, 14), 4, 8)

    def train_step(batch: Any) -> Tensor:
        x, who = batch
        optimizer.zero_grad()
        z = model(x)
        apart = (z[:, None] - z[None]).pow(2).sum(-1)
        same = (who[:, None] == who[None]).float() - torch.eye(len(who))
        pairs = same.sum().clamp(min=1) if repaired else same.sum()
        other = 1 - same - torch.eye(len(who))
        loss = (apart * same).sum() / pairs + ((4 - apart).relu() * other).sum() / other.sum()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        who = torch.randperm(len(people))[:10] if number == step else torch.randint(4, (16,))
        batches.append((people[who] + 0.5 * torch.randn(len(who), 4, 8), who))
    return Scenario(model, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
