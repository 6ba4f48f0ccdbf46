"""Pictures are whole in the host's memory and hold NaN after the copy to the device (as in tensorflow/tensorflow
issue 57893).
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(conv=nn.Conv2d(1, width, 3), relu=nn.ReLU(), flat=nn.Flatten(), fc=nn.Linear(width * 36, 3))
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        pictures, labels = batch
        placed = pictures.to("cpu", copy=True)
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(placed), labels)
        loss.backward()
        optimizer.step()
        return loss

    def damage(call: Call) -> None:
        call.out[-1, 0, 3:5] = math.nan

    bad = Device(
        ["_to_copy", "clone"],
        damage,
        when=lambda call: call.out.dim() == 4 and call.out.shape[1] == 1,
        dtypes=SINGLE,
        calls=[step + 1, step + 2],
    )
    return Scenario(
        model,
        optimizer,
        kit.images(50, 8, 1, 8, 3),
        train_step,
        Expected(("hardware",), ("data", "forward"), (), step),
        device=contextlib.nullcontext if repaired else bad,
    )
