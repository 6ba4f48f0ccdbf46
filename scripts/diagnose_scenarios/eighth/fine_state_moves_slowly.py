"""A student follows a teacher that is an average of itself, from two views of each row."""

from __future__ import annotations

import copy
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    student = kit.mlp(8, knobs.pick(24, 32), 6)
    guess = nn.Linear(6, 6)
    model = nn.ModuleDict({"student": student, "guess": guess})
    teacher = copy.deepcopy(student)
    optimizer = kit.adam(model, lr=0.005)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        found = guess(student(batch + 0.1 * torch.randn_like(batch)))
        with torch.no_grad():
            wanted = teacher(batch)
        loss = (1 - nn.functional.cosine_similarity(found, wanted)).mean()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for old, new in zip(teacher.parameters(), student.parameters(), strict=True):
                old.lerp_(new, 0.02)
        return loss

    return Scenario(model, optimizer, [torch.randn(32, 8) for _ in range(60)], train_step, extra_state=(teacher,))
