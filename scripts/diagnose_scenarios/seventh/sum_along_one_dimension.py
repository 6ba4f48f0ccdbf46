"""Sums along a dimension are kept in float16 between the parts: large halves of opposite signs overflow before they
cancel (as in pytorch/pytorch issue 2391).
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, scale
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class PartSums(Device):
    """Adds the first half in float16, then the second."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ == "sum" and args[0].dtype == torch.float16 and len(args) > 1:
            x, dim = args[0], args[1][0]
            first, second = x.float().chunk(2, dim)
            return (first.sum(dim).half().float() + second.sum(dim)).half()
        return func(*args, **(kwargs or {}))


class Balance(nn.Module):
    """Charges of a sequence add up; incomes come first, expenses after them."""

    def forward(self, x: Tensor) -> Tensor:
        signs = torch.ones(x.shape[1], dtype=x.dtype)
        signs[x.shape[1] // 2 :] = -1
        return (x * signs[:, None]).sum(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length = knobs.pick(8, 10), 64
    model = kit.named(amounts=nn.Linear(3, width), balance=Balance(), norm=nn.LayerNorm(width), out=nn.Linear(width, 1))
    with torch.no_grad():
        model.amounts.bias.fill_(knobs.pick(2300.0, 2600.0))
        model.amounts.weight.mul_(30)
    model.amounts.requires_grad_(False)
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.out.parameters()], lr=0.05)
    batches = []
    for _ in range(80):
        x, trend = torch.randn(16, length, 3), torch.randn(16, 1, 1)
        x[:, : length // 2] += trend
        batches.append((x, trend[:, :, 0].sign()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("balance",), 0),
        device=contextlib.nullcontext if repaired else PartSums([], scale(1.0)),
    )
