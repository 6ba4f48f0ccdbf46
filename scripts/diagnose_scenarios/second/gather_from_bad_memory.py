"""Rows beyond a boundary of an embedding table read as infinity: bad memory, or a broken gather."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width, step = 40, knobs.pick(6, 8), knobs.step()
    model = kit.named(table=nn.Embedding(words, width), proj=nn.Linear(width, 2))
    optimizer = kit.adam(model, lr=0.03)
    meanings = torch.randn(words, 2)
    indices = [torch.randint(30, (32,)) for _ in range(60)]
    indices[step][5] = 37

    def damage(call: Call) -> None:
        call.out[call.args[1] > 35] = float("inf")

    bad = Device(["embedding"], damage, dtypes=SINGLE, when=lambda call: bool((call.args[1] > 35).any()))
    return Scenario(
        model,
        optimizer,
        [(i, meanings[i]) for i in indices],
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("table",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
