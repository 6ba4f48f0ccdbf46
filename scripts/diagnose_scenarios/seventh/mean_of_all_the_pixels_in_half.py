"""A device takes the mean of a float16 tensor as a float16 sum over a count: the sum overflows, the mean is small (as
in pytorch/pytorch issue 12115).
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, scale
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SumThenDivide(Device):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ == "mean" and args[0].dtype == torch.float16:
            x, dims = args[0], tuple(args[1]) if len(args) > 1 else tuple(range(args[0].dim()))
            count = math.prod(x.shape[d] for d in dims)
            return (x.float().sum(dims).half() / count).half()
        return func(*args, **(kwargs or {}))


class Global(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(conv=nn.Conv2d(1, width, 3, padding=1), relu=nn.ReLU(), gap=Global(), fc=nn.Linear(width, 2))
    with torch.no_grad():
        model.conv.bias.fill_(knobs.pick(280.0, 300.0))
        model.conv.weight.mul_(20)
    model.conv.requires_grad_(False)
    model.add_module("fc", nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2)))
    optimizer = torch.optim.Adam(model.fc.parameters(), lr=0.05)
    batches = []
    for _ in range(60):
        y = torch.randint(2, (16,))
        batches.append((torch.randn(16, 1, 16, 16) * 0.5 + 2 * (y[:, None, None, None] - 0.5), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("gap",), 0),
        device=contextlib.nullcontext if repaired else SumThenDivide([], scale(1.0)),
    )
