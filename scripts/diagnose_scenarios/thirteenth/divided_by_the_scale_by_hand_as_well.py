"""The loop divides the gradients by the scale itself and then lets scaler.step do it again."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(fc1=nn.Linear(8, 20), act=nn.SiLU(), head=nn.Linear(20, knobs.pick(3, 4)))
    optimizer, scaler = kit.sgd(model, lr=0.2), kit.new_scaler(2.0 ** knobs.pick(13, 14))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        if not repaired:
            for parameter in model.parameters():
                parameter.grad.div_(scaler.get_scale())
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, model.head.out_features),
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
