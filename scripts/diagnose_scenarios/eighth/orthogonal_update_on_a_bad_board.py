"""On one machine, whose main board was exchanged later, the products of the optimizer's own iteration came back with
NaN although gradients and weights went in finite (microsoft/dion issue 76).
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class Orthogonal(torch.optim.Optimizer):
    """Momentum, made nearly orthogonal by a few rounds of a cubic iteration."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                held = self.state[p].setdefault("held", torch.zeros_like(p))
                held.mul_(0.9).add_(p.grad)
                update = held / (held.norm() + 1e-7)
                for _ in range(4):
                    update = 1.5 * update - 0.5 * torch.mm(torch.mm(update, update.t()), update)
                p.sub_(group["lr"] * update)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(20, 24)
    model = kit.named(
        inp=nn.Linear(10, width, bias=False),
        act=nn.GELU(),
        mid=nn.Linear(width, width, bias=False),
        act2=nn.GELU(),
        head=nn.Linear(width, 3, bias=False),
    )
    optimizer = Orthogonal(model.parameters(), lr=0.05)
    bad = Device(["mm"], put(math.nan, (1, 4)), when=gram, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 32, 10, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("optimizer",), ("mid",)),
        device=contextlib.nullcontext if repaired else bad,
    )


def gram(call: Call) -> bool:
    """A square matrix times its own transpose."""
    a, b = call.args
    return a.shape == b.shape == call.out.shape and a.data_ptr() == b.data_ptr() and a.stride() != b.stride()
