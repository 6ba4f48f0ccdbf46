"""A sharp teacher's probabilities are 0 in float16, and zero times its own logarithm is NaN in a hand-written
divergence.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count, step = knobs.pick(4, 6), knobs.step()
    student, teacher = kit.mlp(8, knobs.pick(16, 20), count), nn.Linear(8, count).requires_grad_(False)
    optimizer = kit.adam(student, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            ours, theirs = student(batch["x"]), teacher(batch["x"]) * batch["sharpness"]
            if repaired:
                ours, theirs = ours.float(), theirs.float()
            wanted = theirs.softmax(1)
            logs = theirs.log_softmax(1) if repaired else wanted.log()
            loss = (wanted * (logs - ours.log_softmax(1))).sum(1).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [{"x": torch.randn(16, 8), "sharpness": knobs.pick(30.0, 40.0) if i == step else 3.0} for i in range(60)]
    return Scenario(student, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
