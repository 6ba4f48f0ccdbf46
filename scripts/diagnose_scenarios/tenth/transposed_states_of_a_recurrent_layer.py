"""With the batch first the backend works on transposed views, and its backward misses some of the transpositions: the
gradients of such products are of the wrong entries (pytorch/pytorch pull request 95137).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def by_the_rows(call: Call) -> None:
    a, b = call.args
    stored = torch.as_strided(a, a.shape, (a.shape[1], 1)) if a.stride(0) == 1 and a.shape[0] > 1 else a
    call.out.copy_(math.inf * (stored @ b).abs())


def transposed(call: Call) -> bool:
    a = call.args[0]
    return a.dim() == 2 and not a.is_contiguous() and a.stride(0) == 1


class Recurrent(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.inp = nn.Parameter(torch.randn(inputs, width) / inputs**0.5)
        self.back = nn.Parameter(torch.randn(width, width) / width**0.5)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), self.back.shape[0])
        for frame in x.unbind(1):
            state = torch.tanh(frame @ self.inp + state @ self.back)
        return state


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(rnn=Recurrent(4, knobs.pick(8, 12)), head=nn.Linear(knobs.pick(8, 12), 1))
    model.head = nn.Linear(model.rnn.back.shape[0], 1)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for x, _ in kit.sequences(50, 16, 6, 4):
        batches.append((x, x[:, -1, :1] + 0.5 * x[:, -2, 1:2]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("backward",), ("rnn",), 0),
        device=contextlib.nullcontext if repaired else Device(["mm"], by_the_rows, when=transposed, dtypes=SINGLE),
    )
