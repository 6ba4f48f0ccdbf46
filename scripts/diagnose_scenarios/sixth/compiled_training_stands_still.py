"""With the compiled model the training loss does not change at all, with the plain one it falls: the compiled backward
returns zeros (pytorch/pytorch issue 113180).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def right(graph: Any, inputs: Any) -> Any:
    return graph.forward


def zeros(graph: Any, inputs: Any) -> Any:
    def compiled(*args: Any) -> Any:
        return tuple(torch.zeros_like(out) if torch.is_tensor(out) else out for out in graph.forward(*args))

    return compiled


def build(seed: int, repaired: bool = False) -> Scenario:
    from torch._dynamo.backends.common import aot_autograd

    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = kit.named(
        inp=nn.Linear(6, knobs.pick(16, 24)), act=nn.GELU(), norm=nn.LazyBatchNorm1d(), out=nn.LazyLinear(1)
    )
    plain(torch.randn(4, 6))
    model = torch.compile(plain, backend=aot_autograd(fw_compiler=right, bw_compiler=right if repaired else zeros))
    optimizer = kit.adam(plain, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.regression(40, 32, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("backward",), (), None, "stalls"),
    )
