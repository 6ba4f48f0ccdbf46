"""The compiled backward returns zeros for the weights; eager training learns (as in pytorch/pytorch issue 182012)."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn
from torch._dynamo.backends.common import aot_autograd


def build(seed: int, repaired: bool = False) -> Scenario:
    def right(graph: Any, inputs: Any) -> Any:
        return graph.forward

    def wrong(graph: Any, inputs: Any) -> Any:
        def compiled(*args: Any) -> Any:
            return tuple(torch.zeros_like(out) if torch.is_tensor(out) else out for out in graph.forward(*args))

        return compiled

    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = kit.named(a=nn.Linear(6, knobs.pick(16, 24)), act=nn.Tanh(), b=nn.LazyLinear(2))
    plain(torch.zeros(1, 6))
    model = torch.compile(plain, backend=aot_autograd(fw_compiler=right, bw_compiler=right if repaired else wrong))
    optimizer = kit.adam(plain, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 64, 6, 2),
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("backward",), (), None, "stalls"),
    )
