"""A net wholly in float16 under an optimizer with careful sums: the loss is a mean over many small errors, and its
gradients are below what float16 holds; scaled gradients come through (warner-benjamin/optimi pull request 15).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    outputs, unit = knobs.pick(256, 320), knobs.pick(4e-4, 6e-4)
    model = kit.named(inp=nn.Linear(6, 16), act=nn.Tanh(), head=nn.Linear(16, outputs)).half()
    masters = [p.detach().float().requires_grad_(True) for p in model.parameters()]
    optimizer = torch.optim.Adam(masters, lr=0.02, eps=1e-20)
    scale = 2.0**16 if repaired else 1.0

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        model.zero_grad()
        loss = nn.functional.mse_loss(unit * model(x).float(), unit * y)
        (loss * scale).backward()
        for master, p in zip(masters, model.parameters(), strict=True):
            master.grad = p.grad.float() / scale
        optimizer.step()
        with torch.no_grad():
            for master, p in zip(masters, model.parameters(), strict=True):
                p.copy_(master)
        return loss

    teacher = torch.randn(6, outputs) / 6**0.5
    xs = [torch.randn(32, 6) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x.half(), x @ teacher) for x in xs],
        train_step,
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        extra_state=(model,),
    )
