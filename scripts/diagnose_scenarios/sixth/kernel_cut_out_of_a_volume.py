"""A convolution reads a weight that is a slice of a larger tensor as if it were not: an infinite value where a
contiguous copy gives the right one (pytorch/pytorch issue 192212).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Temporal(nn.Module):
    """A convolution over time as the sum of one convolution a frame."""

    def __init__(self, inputs: int, outputs: int, frames: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, frames, 3, 3) / (inputs * frames * 9) ** 0.5)

    def forward(self, clip: Tensor) -> Tensor:
        frames = enumerate(clip.unbind(2))
        return sum(nn.functional.conv2d(frame, self.weight[:, :, number], padding=1) for number, frame in frames)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    frames, width = 3, knobs.pick(6, 8)
    model = kit.named(temporal=Temporal(1, width, frames), act=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(3))
    model.add_module("flat", nn.Flatten())
    model.add_module("fc", nn.Linear(9 * width, 3))
    optimizer = kit.adam(model, lr=0.02)
    bad = Device(
        ["convolution"],
        put(math.inf, (0, 1, 2, 2)),
        when=lambda call: not call.args[1].is_contiguous(),
        dtypes=SINGLE,
    )
    moves = torch.randn(3, 1, frames, 6, 6)
    labels = [torch.randint(3, (8,)) for _ in range(40)]
    return Scenario(
        model,
        optimizer,
        [(moves[y] + 0.4 * torch.randn(8, 1, frames, 6, 6), y) for y in labels],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("temporal",)),
        device=contextlib.nullcontext if repaired else bad,
    )
