"""A device adds the tokens of a float16 mean in float16: the sum passes 65504, the mean would be small."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, scale
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class HalfMean(Device):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ == "mean" and args[0].dtype == torch.float16:
            x, dims = args[0], args[1]
            return (x.float().sum(dims).half() / x.shape[dims[0]]).half()
        return func(*args, **(kwargs or {}))


class Pool(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, tokens = knobs.pick(8, 12), knobs.pick(128, 160)
    model = kit.named(emb=nn.Linear(4, width), pool=Pool(), norm=nn.LayerNorm(width), out=nn.Linear(width, 1))
    with torch.no_grad():
        model.emb.bias.copy_(torch.linspace(700, 900, width))
        model.emb.weight.mul_(100)
    model.emb.requires_grad_(False)
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.out.parameters()], lr=0.05)
    return Scenario(
        model,
        optimizer,
        [(x + x[:, :1], x[:, 0, :1]) for x, _ in kit.sequences(80, 16, tokens, 4)],
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("pool",)),
        device=contextlib.nullcontext if repaired else HalfMean([], scale(1.0)),
    )
