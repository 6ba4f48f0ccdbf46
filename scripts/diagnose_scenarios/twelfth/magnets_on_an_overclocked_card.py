"""Simulations of magnets stop with an unknown error of the card in the middle or at the end; only overclocked cards
do this, and a lower clock helps (mumax/3 issue 58).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Field(nn.Module):
    """A learnt field that turns small magnets, some explicit steps long."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.exchange = nn.Linear(width, width, bias=False)
        self.outer = nn.Parameter(torch.zeros(width))

    def forward(self, m: Tensor) -> Tensor:
        for _ in range(3):
            m = m + 0.1 * (self.exchange(m) + self.outer - m).tanh()
        return m


def unknown(call: Call) -> None:
    raise RuntimeError("CUDA error: unspecified launch failure")


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(10, 12), knobs.randint(20, 44)
    model = Field(width)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.02)
    true = Field(width)
    with torch.no_grad():
        true.exchange.weight.mul_(3)
        true.outer.add_(1.0)
    batches = [(m, true(m).detach()) for m in torch.randn(50, 24, width)]

    def error(said: Tensor, target: Tensor) -> Tensor:
        return 100 * (said - target).square().mean()

    bad = Device(["tanh_backward"], unknown, dtypes=SINGLE, calls=[3 * step + 2])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, error),
        Expected(("hardware",), ("backward",), (), step, "raises"),
        device=contextlib.nullcontext if repaired else bad,
    )
