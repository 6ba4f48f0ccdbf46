"""On an older card the product of two square matrices comes out as the product of their entries, without a word; a net
with square layers learns next to nothing on it (ROCm/tensorflow-upstream issue 485).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def entry_by_entry(call: Call) -> None:
    a, b = call.args[-2:]
    bias = call.args[0] if call.op == "addmm" else 0
    call.out.copy_(a * b + bias)


def square(call: Call) -> bool:
    a, b = call.args[-2:]
    return a.shape == b.shape and a.shape[0] == a.shape[1]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    model = kit.named(
        fc1=nn.Linear(width, width),
        act1=nn.Tanh(),
        fc2=nn.Linear(width, width),
        act2=nn.Tanh(),
        head=nn.Linear(width, 3),
    )
    optimizer = kit.sgd(model, lr=0.2)
    centres = 0.6 * torch.randn(3, width)
    batches = []
    for _ in range(80):
        y = torch.randint(3, (width,))
        batches.append((centres[y] + torch.randn(width, width), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward", "backward"), ("fc1", "fc2"), 0, "stalls"),
        device=contextlib.nullcontext
        if repaired
        else Device(["mm", "addmm"], entry_by_entry, when=square, dtypes=SINGLE),
    )
