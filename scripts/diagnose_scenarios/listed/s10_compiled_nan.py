"""A compiler backend emits a program whose result is NaN where the uncompiled model is right."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def broken_backend(graph: Any, inputs: Any) -> Any:
    def compiled(*args: Any) -> Any:
        return tuple(out * float("nan") if out.is_floating_point() else out for out in graph.forward(*args))

    return compiled


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = kit.mlp(knobs.pick(6, 8), knobs.pick(16, 24), 3)
    model = torch.compile(plain, backend="eager" if repaired else broken_backend)
    optimizer = kit.sgd(plain, lr=0.1)
    return Scenario(
        model,
        optimizer,
        kit.classes(25, 16, plain.inp.in_features, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("compiler",), ("forward",)),
    )
