"""Gradients are divided by the scale by hand, and scaler.step divides them once more: steps 60000 times too small."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(conv=nn.Conv1d(2, 6, 3), act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(48, 1))
    optimizer, scaler = kit.sgd(model, lr=0.05), kit.new_scaler(2.0 ** knobs.pick(15, 16))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x), y)
        scaler.scale(loss).backward()
        if not repaired:
            for parameter in model.parameters():
                parameter.grad.div_(scaler.get_scale())
        scaler.step(optimizer)
        scaler.update()
        return loss

    xs = [torch.randn(64, 2, 10) for _ in range(80)]
    return Scenario(
        model,
        optimizer,
        [(x, x[:, 0].mean(1, keepdim=True) * 3) for x in xs],
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
