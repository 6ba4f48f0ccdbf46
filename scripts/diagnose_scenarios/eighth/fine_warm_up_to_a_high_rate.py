"""The rate is raised over twenty steps to a high one that the net then stands."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 32), norm=nn.LayerNorm(32), act=nn.GELU(), head=nn.Linear(32, 3))
    optimizer = kit.sgd(model, lr=knobs.pick(0.8, 1.0))
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, total_iters=20)
    inner = kit.train(model, optimizer, kit.cross_entropy)

    def train_step(batch: Any) -> Tensor:
        loss = inner(batch)
        warmup.step()
        return loss

    return Scenario(model, optimizer, kit.classes(80, 32, 8, 3), train_step, extra_state=(warmup,))
