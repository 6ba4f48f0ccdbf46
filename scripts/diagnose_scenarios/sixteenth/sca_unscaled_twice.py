"""Two functions of one loop each unscale the gradients, one to log their norm, one to clip: the second call raises."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    every = knobs.pick(4, 6)
    model = kit.mlp(6, knobs.pick(12, 20), 1)
    optimizer, scaler = kit.sgd(model, lr=0.05), kit.new_scaler(2.0**10)
    norms: list[float] = []
    done = [0]

    def log_norm() -> None:
        scaler.unscale_(optimizer)
        norms.append(float(sum(p.grad.norm() for p in model.parameters())))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x), y)
        scaler.scale(loss).backward()
        done[0] += 1
        if done[0] % every == 0 and not repaired:
            log_norm()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 6),
        train_step,
        Expected(("scaler-misuse",), ("optimizer",), (), every - 1, "raises"),
        scaler=scaler,
    )
