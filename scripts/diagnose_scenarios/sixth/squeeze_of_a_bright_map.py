"""Squeeze-and-excitation takes the mean of a map; the device adds the map up in float16, passes 65504, and divides too
late (google-ai-edge/LiteRT issue 9249, pytorch/pytorch issue 2391).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HALF, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Squeeze(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, 2)
        self.expand = nn.Linear(2, channels)

    def forward(self, x: Tensor) -> Tensor:
        gates = self.expand(nn.functional.silu(self.reduce(x.mean((2, 3)) / 64))).sigmoid()
        return x * gates[..., None, None]


def damage(call: Call) -> None:
    """Sum in float16, then divide."""
    x = call.args[0]
    total = x.float().sum((2, 3)).half()
    call.out.copy_(total / (x.shape[2] * x.shape[3]))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        stem=nn.Conv2d(1, width, 1),
        se=Squeeze(width),
        norm=nn.GroupNorm(1, width),
        pool=nn.AdaptiveAvgPool2d(4),
        flat=nn.Flatten(),
        fc=nn.Linear(16 * width, 3),
    )
    with torch.no_grad():
        model.stem.bias.fill_(knobs.pick(90.0, 110.0))
    optimizer = kit.adam(model, lr=0.03)
    when = lambda call: call.args[0].dim() == 4 and len(call.args) > 1  # noqa: E731
    bad = Device(["mean"], damage, when=when, dtypes=HALF)
    return Scenario(
        model,
        optimizer,
        [(x.repeat_interleave(8, 2).repeat_interleave(8, 3), y) for x, y in kit.images(50, 8, 1, 4, 3)],
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("se",)),
        device=contextlib.nullcontext if repaired else bad,
    )
