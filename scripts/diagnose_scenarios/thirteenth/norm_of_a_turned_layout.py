"""Layer norm reads a permuted tensor by wrong strides and returns NaN; of a contiguous copy it is right.

The installed build takes the fast kernel although the width is not the dense dimension.
"""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv1d(3, channels, 3), nn.LayerNorm(channels), nn.Linear(channels, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x).transpose(1, 2)).amax(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.02)
    bad = Device(
        ["native_layer_norm"],
        put(float("nan"), (knobs.randint(0, 7), 0)),
        when=lambda call: not call.args[0].is_contiguous(),
        dtypes=SINGLE,
    )
    batches = [(x.reshape(8, 3, 6), y) for x, y in kit.classes(45, 8, 18, 2)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("norm",)),
        device=contextlib.nullcontext if repaired else bad,
    )
