"""Two cards without a link of their own sum their gradients over the bus, through an IOMMU that spoils what they send;
the sum is no number, each card alone trains, and a switch in the BIOS cures it (NVIDIA/nccl issue 1423).
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(14, 18)
    model = kit.named(conv=nn.Conv1d(3, 8, 3), act=nn.ReLU(), flat=nn.Flatten(), mid=nn.Linear(64, width))
    model.add_module("act2", nn.ReLU())
    model.add_module("head", nn.Linear(width, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    weights = list(model.parameters())

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        losses = [nn.functional.cross_entropy(model(a), b) for a, b in zip(x.chunk(2), y.chunk(2), strict=True)]
        found = [torch.autograd.grad(loss, weights) for loss in losses]
        for weight, ours, theirs in zip(weights, *found, strict=True):
            weight.grad = torch.add(ours, theirs) / 2
        optimizer.step()
        return (losses[0] + losses[1]) / 2

    patterns = torch.randn(4, 3, 10)
    labels = [torch.randint(4, (24,)) for _ in range(50)]
    bad = Device(["add"], put(math.nan, (2, 5)), when=shaped(width, 64), dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        [(patterns[y] + 0.5 * torch.randn(24, 3, 10), y) for y in labels],
        train_step,
        Expected(("hardware",), ("backward", "optimizer"), ("mid",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
