"""A scale of the loss kept by hand halves at every overflow but never falls below one, where this loss still overflows;
every step is skipped for ever (tensorflow/tensorflow issue 38357).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    factor = knobs.pick(2e6, 4e6)
    model = kit.named(inp=nn.Linear(8, 16), act=nn.ReLU(), out=nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05 / factor)
    scale = [64.0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            error = model(x).float() - y
        loss = factor * error.square().mean()
        (scale[0] * loss).backward()
        grads = [p.grad for p in model.parameters()]
        if all(bool(g.isfinite().all()) for g in grads):
            for g in grads:
                g.div_(scale[0])
            optimizer.step()
        else:
            scale[0] = max(scale[0] / 2, 2.0**-20 if repaired else 1.0)
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(80, 128, 8),
        train_step,
        Expected(("scaler-misuse", "fp16-overflow"), ("optimizer", "backward"), (), None, "stalls"),
    )
