"""A net predicts what a slowly moving average of itself says about another view; the teacher has no gradient, and the
loss falls below zero.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    student = kit.named(enc=nn.Linear(8, width), norm=nn.LayerNorm(width), act=nn.ReLU(), proj=nn.Linear(width, 8))
    teacher = copy.deepcopy(student).requires_grad_(False)
    predictor = nn.Linear(8, 8)
    model = kit.named(student=student, predictor=predictor)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005, weight_decay=0.05)

    def train_step(batch: Any) -> Tensor:
        one, other = batch
        optimizer.zero_grad()
        said = nn.functional.normalize(model(one), dim=1)
        with torch.no_grad():
            wanted = nn.functional.normalize(teacher(other), dim=1)
        loss = 1 - 2 * (said * wanted).sum(1).mean()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
                slow.lerp_(fast, 0.02)
        return loss

    batches = []
    for _ in range(70):
        x = torch.randn(48, 8)
        batches.append((x + 0.1 * torch.randn(48, 8), x + 0.1 * torch.randn(48, 8)))
    return Scenario(model, optimizer, batches, train_step, extra_state=(teacher,))
