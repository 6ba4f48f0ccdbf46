"""A normalisation kernel writes NaN for channels_last images; contiguous ones come out right."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def is_last(call: Call) -> bool:
    x = call.args[0]
    return x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


class Net(nn.Module):
    """Predicts a mask."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, width, 3, padding=1)
        self.norm = nn.GroupNorm(2, width)
        self.mask = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.mask(self.norm(self.conv(x)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Net(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.02)
    pictures = [torch.randn(6, 2, 8, 8) for _ in range(40)]
    masks = [(x[:, :1] > 0).float() for x in pictures]
    batches = [
        (x.to(memory_format=torch.channels_last) if number >= step else x, y)
        for number, (x, y) in enumerate(zip(pictures, masks, strict=True))
    ]
    bad = Device(["native_group_norm"], put(float("nan"), (0, 0, 0, 0)), when=is_last, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.binary_cross_entropy_with_logits),
        Expected(("library",), ("forward",), ("norm",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
