"""The weight gradient of a convolution is NaN now and then on one machine, never on its twin; float32 throughout
(pytorch/pytorch issue 46155).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(
        conv1=nn.Conv1d(2, width, 5, padding=2),
        act1=nn.PReLU(),
        conv2=nn.Conv1d(width, width + 1, 3, padding=1),
        act2=nn.PReLU(),
        conv3=nn.Conv1d(width + 1, 1, 1),
    )
    optimizer = kit.adam(model, lr=0.01)
    bad = Device(
        ["convolution_backward"],
        put(math.nan, (0, 1, 2), output=1),
        when=lambda call: call.out[1] is not None and call.out[1].shape == (width + 1, width, 3),
        dtypes=SINGLE,
        calls=[step + 1 + 7 * i for i in range(8)],
    )
    waves = [torch.randn(8, 2, 20) for _ in range(40)]
    return Scenario(
        model,
        optimizer,
        [(w, (w[:, :1] + w[:, 1:].roll(1, -1)) / 2) for w in waves],
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("backward",), ("conv2",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
