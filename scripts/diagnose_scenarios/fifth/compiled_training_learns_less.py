"""A compiled backward returns the gradients of all matrices with their strides exchanged: everything is finite, and the
loss stays far above that of the uncompiled model (pytorch/pytorch issue 113180).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn
from torch._dynamo.backends.common import aot_autograd


def right(graph: Any, inputs: Any) -> Any:
    return graph.forward


def strides_confused(graph: Any, inputs: Any) -> Any:
    """Every two-dimensional result is read with its strides exchanged."""

    def compiled(*args: Any) -> Any:
        outs = graph.forward(*args)
        return tuple(out.t().reshape(out.shape) if torch.is_tensor(out) and out.dim() == 2 else out for out in outs)

    return compiled


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    width = knobs.pick(20, 24)
    plain = kit.named(fc1=nn.Linear(8, width, bias=False), act=nn.Tanh(), fc2=nn.Linear(width, 4, bias=False))
    backend = aot_autograd(fw_compiler=right, bw_compiler=right if repaired else strides_confused)
    model = torch.compile(plain, backend=backend)
    optimizer = kit.sgd(plain, lr=0.05)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("compiler",), ("backward",), (), None, "stalls"),
    )
