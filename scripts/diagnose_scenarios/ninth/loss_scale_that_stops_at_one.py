"""A dynamic loss scale is not allowed below 1; where the gradients of the unscaled loss are beyond float16 already,
every step is left out for ever (tensorflow/tensorflow issue 38357).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class LossScale:
    def __init__(self, value: float, least: float) -> None:
        self.value, self.least = value, least

    def shrink(self) -> None:
        self.value = max(self.value / 2, self.least)

    def state_dict(self) -> dict[str, float]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.value = state["value"]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(6, 20), act=nn.ReLU(), mid=nn.Linear(20, 20), act2=nn.ReLU(), head=nn.Linear(20, 1))
    optimizer = kit.adam(model, lr=0.02)
    scale = LossScale(2.0 ** knobs.pick(6, 7), 2.0**-14 if repaired else 1.0)
    unit = knobs.pick(9000.0, 12000.0)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            found = model(x)
        loss = nn.functional.mse_loss(found.float() * unit, y * unit)
        (loss * scale.value).backward()
        grads = [p.grad.div_(scale.value) for p in model.parameters()]
        if all(bool(grad.isfinite().all()) for grad in grads):
            optimizer.step()
        else:
            scale.shrink()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(80, 16, 6),
        train_step,
        Expected(("fp16-overflow",), ("backward",), (), None, "stalls"),
        extra_state=(scale,),
    )
