"""x / (|x| + 1e-8) in float16, where 1e-8 is 0, meets a zero vector."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Unit(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return x / (x.abs().sum(-1, keepdim=True) + self.eps)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(
        inp=nn.Linear(6, width, bias=False), unit=Unit(1e-2 if repaired else 1e-8), out=nn.Linear(width, 3)
    )
    optimizer = kit.adam(model, lr=0.03)
    batches = kit.classes(60, 16, 6, 3)
    batches[step][0][knobs.randint(0, 15)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("underflow", "division-by-zero"), ("forward",), ("unit",), step),
    )
