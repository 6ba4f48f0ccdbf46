"""The top exponent bit of one float16 filter weight flips in memory while a step runs: 1.5 becomes not a number."""

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
    step, width = knobs.randint(3, 8), knobs.pick(6, 10)
    model = kit.named(
        conv1=nn.Conv1d(2, width, 3, padding=1),
        act1=nn.ReLU(),
        conv2=nn.Conv1d(width, width, 3),
        act2=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.Linear(width * 8, 3),
    ).half()
    with torch.no_grad():
        model.conv2.weight[1, 2, 0] = 1.5
    cell = model.conv2.weight.detach()[1, 2, 0]
    optimizer = kit.sgd(model, lr=0.02)
    passes = [0]

    class Memory(Device):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            second = func.overloadpacket.__name__ == "convolution" and args[1].shape[1] == width
            if second and args[0].dtype == torch.float16:
                passes[0] += 1
                if passes[0] == step + 1:
                    cell.view(torch.int16).bitwise_xor_(1 << 14)
            return func(*args, **(kwargs or {}))

    clouds = kit.classes(40, 16, 20, 3)
    return Scenario(
        model,
        optimizer,
        [(x.reshape(16, 2, 10).half(), y) for x, y in clouds],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("conv2",), step),
        device=contextlib.nullcontext if repaired else Memory([], put(0.0)),
    )
