"""Langevin dynamics: after every step noise is added to all weights on purpose."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = kit.sgd(model, lr=0.1)
    inner = kit.train(model, optimizer, kit.cross_entropy)

    def train_step(batch: Any) -> Tensor:
        loss = inner(batch)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight), alpha=0.02)
        return loss

    return Scenario(model, optimizer, kit.classes(80, 32, 8, 3), train_step)
