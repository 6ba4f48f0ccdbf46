"""Two cards of one batch show the same computation errors on every board and system, results that are nought among
them; the dealer seems to have got a bad batch (preda/gpuowl issue 63).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(20, 28)
    model = kit.named(inp=nn.Linear(9, width), act=nn.Tanh(), mid=nn.Linear(width, width), act2=nn.Tanh())
    model.add_module("out", nn.Linear(width, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def nought(call: Call) -> None:
        call.outputs[0].zero_()

    bad = Device(["addmm"], nought, when=shaped(40, width), dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 40, 9, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("inp", "mid"), 0, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
