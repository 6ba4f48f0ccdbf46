"""A compiler's first program is right; the one it makes when a batch of another size comes gives infinities."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    torch._dynamo.reset()
    made = [0]

    def backend(graph: Any, inputs: Any) -> Any:
        made[0] += 1
        if repaired or made[0] == 1:
            return graph.forward

        def compiled(*args: Any) -> Any:
            return tuple(out / 0 if out.is_floating_point() else out for out in graph.forward(*args))

        return compiled

    width = knobs.pick(16, 24)
    plain = kit.named(inp=nn.Linear(8, width), norm=nn.LayerNorm(width), act=nn.GELU(), head=nn.Linear(width, 3))
    model = torch.compile(plain, backend=backend, dynamic=False)
    optimizer = kit.sgd(plain, lr=0.1)
    batches = kit.classes(30, 16, 8, 3)
    x, y = batches[step]
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x[:11], y[:11])),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("compiler",), ("forward",), (), step),
    )
