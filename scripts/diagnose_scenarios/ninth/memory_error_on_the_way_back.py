"""Eight cards train a segmentation net; after some epochs the driver of one of them reports an uncorrectable memory
error in the middle of a backward pass (NVIDIA/semantic-segmentation issue 33).
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Segmenter(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.trunk = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.classes = nn.Conv2d(width, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.norm(self.trunk(x)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = Segmenter(width)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch["image"]), batch["mask"], ignore_index=255)
        loss.backward()
        optimizer.step()
        return loss

    def report(call: Call) -> None:
        raise RuntimeError("CUDA error: uncorrectable ECC error encountered")

    colours = torch.randn(4, 3)
    batches = []
    for _ in range(40):
        mask = torch.randint(4, (4, 10, 10))
        image = colours[mask].permute(0, 3, 1, 2) + 0.3 * torch.randn(4, 3, 10, 10)
        batches.append({"image": image, "mask": mask.masked_fill(torch.rand(4, 10, 10) < 0.05, 255)})
    bad = Device(
        ["convolution_backward"],
        report,
        when=lambda call: call.args[2].shape[0] == width,
        dtypes=SINGLE,
        calls=[step + 1],
    )
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("hardware",), ("backward",), ("trunk",), step, "raises"),
        device=contextlib.nullcontext if repaired else bad,
    )
