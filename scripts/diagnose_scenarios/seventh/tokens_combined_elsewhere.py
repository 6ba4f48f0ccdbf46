"""Experts' outputs are combined by code outside torch, which in one call reads a buffer before it is written (as in
deepseek-ai/DeepEP issue 589, a race between streams).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Combine(torch.autograd.Function):
    buffer_is_stale = False

    @staticmethod
    def forward(ctx: Any, x: Tensor, shares: Tensor) -> Tensor:
        ctx.save_for_backward(x, shares)
        total = np.einsum("ebw,be->bw", x.detach().numpy(), shares.detach().numpy())
        if Combine.buffer_is_stale:
            total[0] = np.nan
        return torch.from_numpy(total.astype(np.float32))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, shares = ctx.saved_tensors
        return shares.t()[:, :, None] * grad, (x * grad).sum(-1).t()


class Experts(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.router = nn.Linear(width, 3)
        self.experts = nn.ModuleList(nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return Combine.apply(torch.stack([expert(x) for expert in self.experts]), self.router(x).softmax(-1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, done = knobs.step(), [0]
    model = kit.named(inp=nn.Linear(6, 12), moe=Experts(12), out=nn.Linear(12, 3))
    optimizer = kit.adam(model, lr=0.02)
    inner = kit.train(model, optimizer, kit.cross_entropy)

    def train_step(batch: Any) -> Tensor:
        Combine.buffer_is_stale = done[0] == step and not repaired
        done[0] += 1
        return inner(batch)

    return Scenario(
        model, optimizer, kit.classes(50, 16, 6, 3), train_step, Expected(("unknown",), ("forward",), ("moe",), step)
    )
