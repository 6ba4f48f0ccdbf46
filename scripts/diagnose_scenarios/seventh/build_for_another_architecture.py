"""A release of the vendor's kernels returns enormous numbers from one-dimensional convolutions; the next release does
not (as in ROCm/TheRock issue 2662).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        conv=nn.Conv1d(2, width, 5, padding=2), act=nn.ReLU(), flat=nn.Flatten(), fc=nn.Linear(width * 16, 1)
    )
    optimizer = kit.adam(model, lr=0.01)

    def is_vendors(call: Call) -> bool:
        return torch.backends.cudnn.enabled and torch.backends.mkldnn.enabled

    bad = Device(["convolution"], put(3e38, (0, slice(0, 2))), when=is_vendors, dtypes=SINGLE)
    batches = []
    for _ in range(60):
        x = torch.randn(16, 2, 16)
        batches.append((x, x[:, 0].mean(1, keepdim=True) * 4))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("conv",), 0),
        device=contextlib.nullcontext if repaired else bad,
    )
