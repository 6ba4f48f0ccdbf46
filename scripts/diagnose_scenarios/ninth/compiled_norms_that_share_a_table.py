"""Two modulated layer norms draw scale and shift from one table; the compiled backward never writes a part of the
table's gradient, which keeps what the memory held; eager mode is right (pytorch/pytorch issue 193061).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(4, width) * 0.1)
        self.inp = nn.Linear(6, width)
        self.mid = nn.Linear(width, width)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        shift1, scale1, shift2, scale2 = self.table.unbind(0)
        h = self.inp(x)
        h = nn.functional.layer_norm(h, h.shape[-1:]) * (1 + scale1) + shift1
        h = h + self.mid(h).relu()
        h = nn.functional.layer_norm(h, h.shape[-1:]) * (1 + scale2) + shift2
        return self.head(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 20)

    def right(graph: Any, inputs: Any) -> Any:
        return graph.forward

    def rebound(graph: Any, inputs: Any) -> Any:
        def compiled(*args: Any) -> Any:
            outputs = graph.forward(*args)
            for out in outputs:
                if torch.is_tensor(out) and out.shape == (4, width):
                    out[2:] = math.nan
            return outputs

        return compiled

    torch._dynamo.reset()
    plain = Block(width)
    model = torch.compile(plain, backend=aot_autograd(fw_compiler=right, bw_compiler=right if repaired else rebound))
    optimizer = kit.adam(plain, lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 32, 6, 2),
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("backward",)),
    )
