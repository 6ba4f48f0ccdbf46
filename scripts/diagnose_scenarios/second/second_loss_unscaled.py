"""Two losses, of which only the small one goes through the scaler: the other counts 65536 times less."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 2)
    optimizer, scaler = kit.sgd(model, lr=0.1), kit.new_scaler(2.0 ** knobs.pick(14, 16))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            p = model(x)
            main, extra = kit.squares(p, y), 1e-4 * p.float().square().mean()
        scaler.scale(extra).backward(retain_graph=True)
        (scaler.scale(main) if repaired else main).backward()
        scaler.step(optimizer)
        scaler.update()
        return main + extra

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 64, 8, 2),
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
