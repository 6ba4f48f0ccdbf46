"""Depthwise convolutions in bfloat16 leave NaN in the right-hand column once images are wide; narrow ones are right."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import LOW, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.pointwise = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pointwise(self.depthwise(x).relu())


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 1)
        self.block = Block(width)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.stem(x)).relu().mean((2, 3)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = Net(width)
    optimizer = kit.adam(model, lr=0.02)
    colours = torch.randn(3, 3, 1, 1)
    sizes = [6] * step + [knobs.pick(9, 11)] * (40 - step)
    labels = [torch.randint(3, (8,)) for _ in sizes]
    batches = [(colours[y] + 0.3 * torch.randn(8, 3, size, size), y) for size, y in zip(sizes, labels, strict=True)]
    bad = Device(
        ["convolution"],
        put(float("nan"), (slice(None), 0, slice(None), -1)),
        when=lambda call: call.args[8] == width and call.out.shape[-1] > 8,
        dtypes=LOW,
    )
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
        Expected(("hardware",), ("forward",), ("block.depthwise",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
