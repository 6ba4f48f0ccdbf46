"""A hand-written gradient computed in NumPy holds NaN from some batch on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Square(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, limit: float) -> Tensor:
        context.save_for_backward(x)
        context.limit = limit
        return x * x

    @staticmethod
    def backward(context: Any, grad: Tensor) -> Any:
        (x,) = context.saved_tensors
        slope = 2 * x.numpy()
        slope[np.abs(slope) > context.limit] = np.nan
        return grad * torch.from_numpy(slope), None


class Layer(nn.Module):
    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: Tensor) -> Tensor:
        return Square.apply(x.tanh(), self.limit)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(8, width), layer=Layer(99.0 if repaired else 1.98), head=nn.Linear(width, 1))
    with torch.no_grad():
        model.inp.weight.mul_(0.3)
    optimizer = kit.adam(model, lr=0.02)
    batches = [((x / 3).clamp(-0.5, 0.5), (x[:, :1] > 0).float()) for x, _ in kit.regression(90, 16, 8)]
    batches[step][0][1] = 60 * batches[step][0][1].sign()
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, y: nn.functional.binary_cross_entropy_with_logits(p, y)),
        Expected(("unknown",), ("backward",), ("layer",), step),
    )
