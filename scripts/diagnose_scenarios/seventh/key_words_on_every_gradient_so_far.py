"""The trainer of a keyword spotter never clears the gradients (as in wenet-e2e/wekws pull request 73)."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        tcn=nn.Conv1d(6, width, 3, padding=1),
        relu=nn.ReLU(),
        pool=nn.AdaptiveAvgPool1d(1),
        flat=nn.Flatten(),
        score=nn.Linear(width, 2),
    )
    optimizer = kit.sgd(model, lr=0.3)

    def train_step(batch: Any) -> Tensor:
        feats, target = batch
        loss = kit.squares(model(feats), target)
        if repaired:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(100):
        y = torch.randn(16, 2)
        feats = torch.randn(16, 6, 10) * 0.3
        feats[:, :2] += y[:, :, None]
        batches.append((feats, y))
    return Scenario(model, optimizer, batches, train_step, Expected(("zero-grad",), (), (), None))
