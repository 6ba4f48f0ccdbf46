"""The energy of a molecule as the sum over its atoms, positive ones first; the device adds them up in float16 and
passes 65504 on the way.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sites(nn.Module):
    def __init__(self, inputs: int, outputs: int, atoms: int, level: float) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, outputs)
        signs = torch.ones(atoms, 1)
        signs[atoms // 2 :] = -1
        self.register_buffer("reference", (level * signs).half())

    def forward(self, x: Tensor) -> Tensor:
        return self.lin(x) + self.reference


class Pool(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sum(1) / x.shape[1]


class SumsInHalf(Device):
    """Adds up in float16, sixteen terms at a time."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ != "sum" or args[0].dtype != torch.float16 or list(args[1]) != [1]:
            return out
        total = torch.zeros_like(out)
        for part in args[0].split(16, dim=1):
            total = (total.float() + part.float().sum(1).view_as(out)).half()
        return out.copy_(total)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    atoms, width = knobs.pick(400, 480), 6
    model = kit.named(
        sites=Sites(4, width, atoms, knobs.pick(400, 500)),
        pool=Pool(),
        norm=nn.LayerNorm(width),
        head=nn.Linear(width, 1),
    )
    optimizer = kit.adam(model, lr=0.02)
    teacher = torch.randn(4, 1) / 2
    batches = []
    for _ in range(50):
        kind = torch.randn(16, 4)
        batches.append((kind[:, None] + 0.3 * torch.randn(16, atoms, 4), kind @ teacher))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("pool",)),
        device=contextlib.nullcontext if repaired else SumsInHalf([], put(0.0)),
    )
