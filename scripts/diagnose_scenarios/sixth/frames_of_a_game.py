"""A value net is pretrained on recorded frames that nobody divided by 255; the agent's own preprocessing would have
(hill-a/stable-baselines issue 328).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Value(nn.Module):
    def __init__(self, width: int, actions: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, width, 3, stride=2)
        self.fc = nn.Linear(width * 16, 32)
        self.q = nn.Linear(32, actions)

    def forward(self, frames: Tensor) -> Tensor:
        return self.q(nn.functional.leaky_relu(self.fc(nn.functional.leaky_relu(self.conv(frames)).flatten(1))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    actions = 3
    model = Value(knobs.pick(6, 8), actions)
    optimizer = kit.sgd(model, lr=0.05, momentum=0.5)

    def train_step(batch: Any) -> Tensor:
        frames, action, reward, after, over = batch
        optimizer.zero_grad()
        with torch.no_grad():
            target = reward + 0.5 * model(after).amax(1) * (1 - over)
        value = model(frames).gather(1, action[:, None])[:, 0]
        loss = kit.squares(value, target)
        loss.backward()
        optimizer.step()
        return loss

    ball = 255 * torch.rand(4, 2, 9, 9)
    batches = []
    for _ in range(80):
        where, then = torch.randint(4, (16,)), torch.randint(4, (16,))
        action, over = torch.randint(actions, (16,)), (torch.rand(16) < 0.3).float()
        frames, after = ball[where].floor(), ball[then].floor()
        unit = 255.0 if repaired else 1.0
        batches.append((frames / unit, action, 2.0 * (action == where % actions) - 1, after / unit, over))
    return Scenario(model, optimizer, batches, train_step, Expected(("input-scale",), (), (), None))
