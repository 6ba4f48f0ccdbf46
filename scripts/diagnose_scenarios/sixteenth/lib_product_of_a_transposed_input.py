"""A linear layer of the installed build is NaN where its input is a transposed view; the same numbers copied are
right.
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Mixer(nn.Module):
    """Mixes over the tokens, which a transposed view makes the last dimension."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.channel = nn.Linear(width, width)
        self.token = nn.Linear(tokens, tokens)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.channel(x))
        return self.head(h + self.token(h.t()).t())


def is_a_transposed_view(call: Call) -> bool:
    x = call.args[1]
    return x.stride(0) == 1 and not x.is_contiguous()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    tokens, width = knobs.pick(10, 14), knobs.pick(8, 12)
    model = Mixer(tokens, width)
    optimizer = kit.sgd(model, lr=0.05)
    bad = Device(["addmm"], put(math.nan, (1, 0)), when=is_a_transposed_view, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, tokens, width),
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("token",)),
        device=contextlib.nullcontext if repaired else bad,
    )
