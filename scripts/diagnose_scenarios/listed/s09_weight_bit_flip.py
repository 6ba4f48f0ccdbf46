"""One exponent bit of one weight flips in memory, once, while a step runs."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(12, 16), knobs.randint(4, 7)
    model = kit.named(
        blk1=nn.Linear(8, width), act1=nn.ReLU(), blk2=nn.Linear(width, width), act2=nn.ReLU(), blk3=nn.Linear(width, 3)
    )
    with torch.no_grad():
        model.blk3.weight[0, 0] = 1.5
    optimizer = kit.sgd(model, lr=0.1)
    cell = model.blk3.weight.detach()[0, 0]
    calls = [0]

    class Memory(Device):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.overloadpacket.__name__ == "addmm" and args[2].shape[-1] == 3:
                calls[0] += 1
                if calls[0] == step + 1:
                    cell.view(torch.int32).bitwise_xor_(1 << 30)
            return func(*args, **(kwargs or {}))

    return Scenario(
        model,
        optimizer,
        kit.classes(30, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("blk3",), step),
        device=contextlib.nullcontext if repaired else Memory([], put(0.0)),
    )
