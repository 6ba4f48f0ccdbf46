"""A compiler backend returns infinity in the first output for one batch size only; the uncompiled model is right."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def backend_with_a_bad_size(size: int) -> Any:
    def backend(graph: Any, inputs: Any) -> Any:
        def compiled(*args: Any) -> Any:
            outs = graph.forward(*args)
            return tuple(out / 0.0 if out.shape[:1] == (size,) else out for out in outs)

        return compiled

    return backend


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    step, size = knobs.step(), knobs.pick(5, 11)
    plain = kit.named(a=nn.Linear(6, 18), b=nn.GELU(), c=nn.Linear(18, 3))
    model = torch.compile(plain, backend="eager" if repaired else backend_with_a_bad_size(size), dynamic=False)
    optimizer = kit.sgd(plain, lr=0.1)
    batches = kit.classes(40, 16, 6, 3)
    x, y = batches[step]
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x[:size], y[:size])),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("compiler",), ("forward",), (), step),
    )
