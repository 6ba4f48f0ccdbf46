"""One card of eight gives invalid results, and ever more of them the longer it runs; it is clocked too high
(fireice-uk/xmr-stak issue 967).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(conv1=nn.Conv1d(4, width, 3, padding=1), act=nn.ReLU(), conv2=nn.Conv1d(width, 4, 3, padding=1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def wrong(call: Call) -> None:
        flat = call.outputs[0].view(-1)
        some = slice(call.count % 7, None, max(2, 12 - call.count // 8))
        flat[some] = flat[some].neg() * 8

    bad = Device(["convolution"], wrong, dtypes=SINGLE)
    batches = []
    for _ in range(50):
        x = torch.randn(12, 4, 10)
        batches.append((x, x.roll(1, 2) - x))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("conv1", "conv2"), 0, "diverges"),
        device=contextlib.nullcontext if repaired else bad,
    )
