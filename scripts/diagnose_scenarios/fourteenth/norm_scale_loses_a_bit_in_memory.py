"""An exponent bit of one scale of the second batch norm flips in memory between two steps: 1 becomes infinity or
nearly.
"""

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
    width, step = knobs.pick(6, 10), knobs.randint(4, 10)
    model = kit.named(
        conv1=nn.Conv2d(2, 4, 3),
        norm1=nn.BatchNorm2d(4),
        act1=nn.ReLU(),
        conv2=nn.Conv2d(4, width, 3),
        norm2=nn.BatchNorm2d(width),
        act2=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.Linear(width * 4, 3),
    )
    optimizer = kit.sgd(model, lr=0.05)
    cell, calls = model.norm2.weight.detach()[2], [0]

    class Memory(Device):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.overloadpacket.__name__ == "convolution" and args[0].shape[1] == 2:
                calls[0] += 1
                if calls[0] == step + 1:
                    cell.view(torch.int32).bitwise_xor_(1 << 30)
            return func(*args, **(kwargs or {}))

    return Scenario(
        model,
        optimizer,
        kit.images(40, 8, 2, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("norm2",), step),
        device=contextlib.nullcontext if repaired else Memory([], put(0.0)),
    )
