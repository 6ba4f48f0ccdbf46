"""A batched product is wrong for an operand that is one matrix expanded over the batch; real copies of it give the
right result.
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pool(nn.Module):
    """One learnt query looks at all tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, width) / width**0.5)

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.bmm(self.query.expand(len(x), -1, -1), x.transpose(1, 2))
        return torch.bmm(scores.softmax(-1), x).squeeze(1)


def is_expanded(call: Call) -> bool:
    first = call.args[0]
    return first.shape[0] > 1 and first.stride(0) == 0


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(embed=nn.Linear(width, width), pool=Pool(width), head=nn.Linear(width, 1))
    optimizer = kit.adam(model)
    bad = Device(["bmm"], put(math.nan, (-1, 0, 0)), when=is_expanded, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.sequences(50, 16, 6, width),
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("pool",)),
        device=contextlib.nullcontext if repaired else bad,
    )
