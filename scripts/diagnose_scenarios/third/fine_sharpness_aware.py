"""Sharpness-aware minimisation: every step moves the weights uphill, looks around, moves them back, then downhill."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer, radius = kit.sgd(model, lr=0.1), knobs.pick(0.5, 1.0)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(x), y)
        loss.backward()
        weights = list(model.parameters())
        length = torch.stack([p.grad.norm() for p in weights]).norm() + 1e-12
        uphill = [radius * p.grad / length for p in weights]
        with torch.no_grad():
            for p, up in zip(weights, uphill, strict=True):
                p.add_(up)
        optimizer.zero_grad()
        kit.cross_entropy(model(x), y).backward()
        with torch.no_grad():
            for p, up in zip(weights, uphill, strict=True):
                p.sub_(up)
        optimizer.step()
        return loss

    return Scenario(model, optimizer, kit.classes(80, 32, 8, 3), train_step)
