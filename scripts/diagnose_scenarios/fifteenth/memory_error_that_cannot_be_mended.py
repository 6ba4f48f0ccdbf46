"""A detector on two rented cards stops with a memory error that cannot be corrected, each time after some iterations of
the first epoch and each time elsewhere (AlexeyAB/darknet issue 3496).
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
    step = knobs.randint(4, 16)
    model = kit.named(
        conv=nn.Conv2d(3, 8, 3, padding=1), act=nn.SiLU(), pool=nn.AdaptiveAvgPool2d(2), flat=nn.Flatten()
    )
    model.add_module("yolo", nn.Linear(32, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def stop(call: Call) -> None:
        raise RuntimeError("CUDA error: uncorrectable ECC error encountered")

    bad = Device(["convolution_backward"], stop, dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.images(40, 12, 3, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("backward",), ("conv", ""), step, "raises"),
        device=contextlib.nullcontext if repaired else bad,
    )
