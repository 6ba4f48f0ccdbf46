"""Two augmented views and a slowly following teacher without gradients, as in self-supervised learning without
negatives.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Student(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = kit.mlp(8, width, 4)
        self.predict = nn.Linear(4, 4)
        self.teacher = kit.mlp(8, width, 4).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(self.predict(self.body(x)), dim=-1)

    @torch.no_grad()
    def follow(self, pace: float) -> None:
        for slow, fast in zip(self.teacher.parameters(), self.body.parameters(), strict=True):
            slow.lerp_(fast, pace)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Student(knobs.pick(16, 24))
    optimizer = torch.optim.AdamW([*model.body.parameters(), *model.predict.parameters()], lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, _ = batch
        first, second = x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x)
        with torch.no_grad():
            wanted = nn.functional.normalize(model.teacher(second), dim=-1)
        loss = (2 - 2 * (model(first) * wanted).sum(-1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.follow(0.02)
        return loss

    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), train_step)
