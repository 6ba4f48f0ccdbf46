"""Only the penalty is scaled; backward of the main loss starts unscaled, and unscaling makes its gradients vanish."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer, scaler = kit.sgd(model, lr=0.1), kit.new_scaler(2.0 ** knobs.pick(14, 16))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.bfloat16):
            logits = model(x)
            loss, small = kit.cross_entropy(logits, y), 1e-4 * logits.float().square().mean()
        scaler.scale(small).backward(retain_graph=True)
        (scaler.scale(loss) if repaired else loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
