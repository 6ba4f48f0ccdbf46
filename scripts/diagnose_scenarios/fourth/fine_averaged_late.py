"""Weights are averaged from the middle on (stochastic weight averaging), with a rate of its own that goes up again."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    averaged = torch.optim.swa_utils.AveragedModel(model)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)
    late = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.15, anneal_epochs=3)
    inner = kit.train(model, optimizer, kit.cross_entropy)
    count = [0]

    def train_step(batch: Any) -> Tensor:
        loss = inner(batch)
        count[0] += 1
        if count[0] > 30:
            averaged.update_parameters(model)
            late.step()
        else:
            cosine.step()
        return loss

    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), train_step, extra_state=(averaged, cosine, late))
