"""Each weight's gradient is held below a share of the weight's own length while it still carries the loss scale."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, share = knobs.pick(8, 10), knobs.pick(0.1, 0.2)
    model = kit.named(conv=nn.Conv2d(2, width, 3), act=nn.SiLU(), flat=nn.Flatten(), head=nn.Linear(width * 16, 3))
    optimizer, scaler = kit.sgd(model, lr=0.2, momentum=0.5), kit.new_scaler(2.0**15)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        if repaired:
            scaler.unscale_(optimizer)
        for p in model.parameters():
            p.grad.mul_((share * p.detach().norm() / (p.grad.norm() + 1e-6)).clamp(max=1.0))
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.images(60, 16, 2, 6, 3),
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
