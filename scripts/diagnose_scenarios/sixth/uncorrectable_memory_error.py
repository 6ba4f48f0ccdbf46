"""A node with defective memory: in the middle of a training the driver reports an uncorrectable ECC error (jade-hpc-
gpu/jade-hpc-gpu.github.io issue 194).
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
    step, width = knobs.step(), knobs.pick(16, 20)
    model = kit.named(fc1=nn.Linear(6, width), act1=nn.ReLU(), fc2=nn.Linear(width, 9), act2=nn.ReLU())
    model.add_module("fc3", nn.Linear(9, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)

    def report(call: Call) -> None:
        raise RuntimeError("CUDA error: uncorrectable ECC error encountered")

    bad = Device(["addmm"], report, when=shaped(16, 9), dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("fc2",), step, "raises"),
        device=contextlib.nullcontext if repaired else bad,
    )
