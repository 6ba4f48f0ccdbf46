"""A distillation loss specifies the gradient of its rendering by hand and does not multiply it by the incoming one; the
scaler divides it by a scale that it never got (ashawkey/stable-dreamfusion issue 158).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SpecifyGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rendered: Tensor, wanted: Tensor, scaled: bool) -> Tensor:
        ctx.save_for_backward(wanted)
        ctx.scaled = scaled
        return rendered.new_ones(())

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> Any:
        (wanted,) = ctx.saved_tensors
        return wanted * incoming if ctx.scaled else wanted, None, None


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    scene = kit.named(inp=nn.Linear(2, 16), act=nn.Tanh(), density=nn.Linear(16, 1))
    optimizer = torch.optim.SGD(scene.parameters(), lr=knobs.pick(0.3, 0.4))
    scaler = kit.new_scaler()

    def train_step(batch: Any) -> Tensor:
        ray, picture = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            rendered = scene(ray).float()
            guess = (rendered - picture).detach()
            loss = SpecifyGradient.apply(rendered, 2 * guess / len(guess), repaired)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return guess.square().mean()

    batches = []
    for _ in range(80):
        ray = torch.randn(64, 2)
        batches.append((ray, ray[:, :1] - 0.5 * ray[:, 1:]))
    return Scenario(
        scene,
        optimizer,
        batches,
        train_step,
        Expected(("scaler-misuse",), ("backward", "optimizer"), (), None, "stalls"),
        scaler=scaler,
    )
