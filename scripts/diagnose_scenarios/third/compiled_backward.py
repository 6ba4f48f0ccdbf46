"""The compiled forward is right; the program compiled for its backward returns NaN gradients."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch._dynamo.backends.common import aot_autograd


def right(graph: Any, inputs: Any) -> Any:
    return graph.forward


def wrong(graph: Any, inputs: Any) -> Any:
    def compiled(*args: Any) -> Any:
        outs = graph.forward(*args)
        return tuple(out * float("nan") if torch.is_tensor(out) and out.dim() == 2 else out for out in outs)

    return compiled


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = kit.mlp(knobs.pick(6, 8), knobs.pick(16, 24), 3)
    model = torch.compile(plain, backend=aot_autograd(fw_compiler=right, bw_compiler=right if repaired else wrong))
    optimizer = kit.adam(plain, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.classes(25, 16, plain.inp.in_features, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("compiler",), ("backward",)),
    )
