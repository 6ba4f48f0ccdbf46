"""A gradient penalty is computed from gradients of the scaled loss that were never unscaled: it is 65536 squared times
too large and all that the net learns (NVIDIA/apex issue 654, pytorch/pytorch issue 25081).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(fc1=nn.Linear(6, knobs.pick(16, 24)), act=nn.Softplus(), fc2=nn.LazyLinear(1))
    model(torch.zeros(1, 6))
    optimizer = kit.adam(model, lr=0.01)
    scaler = kit.new_scaler()

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        x = x.clone().requires_grad_()
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
        (slope,) = torch.autograd.grad(scaler.scale(loss), x, create_graph=True)
        if repaired:
            slope = slope / scaler.get_scale()
        penalty = slope.square().sum(1).mean()
        scaler.scale(loss + penalty).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        [(x, (y > 0).float()) for x, y in kit.regression(80, 32, 6)],
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
