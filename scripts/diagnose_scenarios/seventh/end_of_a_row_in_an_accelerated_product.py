"""The processor's accelerated product leaves NaN at the end of its rows where an operand is transposed in memory; a
contiguous copy is multiplied rightly (as in pytorch/pytorch issue 81185).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Kernel(nn.Module):
    """Values weighted by their likeness."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        h = self.enc(x)
        return torch.mm(h, h.t()).tanh() @ h / len(x)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(inp=nn.Linear(5, width), kernel=Kernel(width), out=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)

    def is_transposed(call: Call) -> bool:
        return call.out.shape == (23, 23) and not call.args[1].is_contiguous()

    bad = Device(["mm"], put(math.nan, (slice(None), slice(20, None))), when=is_transposed, dtypes=SINGLE)
    teacher = torch.randn(5, 1)
    xs = [torch.randn(16 if (number - step) % 7 else 23, 5) for number in range(80)]
    xs = [x[:16] if number < step else x for number, x in enumerate(xs)]
    batches = [(x, x @ teacher) for x in xs]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("kernel",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
