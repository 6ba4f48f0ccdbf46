"""A map is scaled up by repeating its entries without copying them, and the convolution behind it never writes the last
corner of its output for such a map: what was in memory stays there (chelsea0x3b/dfdx issue 677).
"""

from __future__ import annotations

import contextlib
import math

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Upscale(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        many, channels, height, width = x.shape
        wide = x[..., None].expand(many, channels, height, width, 2).reshape(many, channels, height, 2 * width)
        return wide.movedim(2, 0).repeat_interleave(2, 0).movedim(0, 2)


def unwritten(call: Call) -> None:
    call.out[-1, :, -1] = math.nan


def expanded(call: Call) -> bool:
    x = call.args[0]
    return x.dim() == 4 and not x.is_contiguous()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        down=nn.Conv2d(1, width, 2, stride=2),
        act=nn.ReLU(),
        upscale=Upscale(),
        conv=nn.Conv2d(width, 1, 3, padding=1),
    )
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for x, _ in kit.images(50, 8, 1, 8, 3):
        batches.append((x, nn.functional.avg_pool2d(x, 3, 1, 1) * 2))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("conv",), 0),
        device=contextlib.nullcontext if repaired else Device(["convolution"], unwritten, when=expanded, dtypes=SINGLE),
    )
