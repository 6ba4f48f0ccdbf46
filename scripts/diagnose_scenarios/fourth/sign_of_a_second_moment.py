"""The sign bit of one of Adam's running mean squares flips in memory, once: the root of a negative number."""

from __future__ import annotations

import contextlib
from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(12, 20), knobs.step()
    model = kit.named(
        enc=nn.Linear(8, width), act1=nn.GELU(), mid=nn.Linear(width, 10), act2=nn.GELU(), head=nn.Linear(10, 1)
    )
    optimizer = kit.adam(model, lr=0.01)
    calls = [0]

    class Memory(Device):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.overloadpacket.__name__ == "addmm" and args[2].shape[-1] == 10:
                calls[0] += 1
                if calls[0] == step + 1:
                    squares = optimizer.state[model.mid.weight]["exp_avg_sq"].view(-1)
                    squares[int(squares.argmax())].mul_(-1)
            return func(*args, **(kwargs or {}))

    return Scenario(
        model,
        optimizer,
        kit.regression(40, 16, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("optimizer",), ("mid",), step),
        device=contextlib.nullcontext if repaired else Memory([], put(0.0)),
    )
