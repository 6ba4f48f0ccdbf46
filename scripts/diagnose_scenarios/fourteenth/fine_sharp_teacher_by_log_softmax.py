"""A teacher so sharp that most of its probabilities are 0: the divergence in logarithms takes them as they are."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn
from torch.nn import functional


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(4, 5)
    student, teacher = kit.mlp(8, 24, count), nn.Linear(8, count).requires_grad_(False)
    optimizer = kit.adam(student, lr=0.02)

    def train_step(x: Tensor) -> Tensor:
        with kit.autocast(torch.float16):
            logs = student(x).float().log_softmax(1)
        wanted = (60 * teacher(x)).log_softmax(1)
        loss = functional.kl_div(logs, wanted, reduction="batchmean", log_target=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(student, optimizer, [torch.randn(24, 8) for _ in range(70)], train_step)
