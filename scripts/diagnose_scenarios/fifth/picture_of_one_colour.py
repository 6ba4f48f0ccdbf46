"""The loader brings each picture to -1..1 by its least and greatest pixel; one picture has a single colour
(avalonstrel/GatedConvolution_pytorch issue 27).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GatedConv(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.feature = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.gate = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.elu(self.feature(x)) * self.gate(x).sigmoid()


def load(images: Tensor) -> Tensor:
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return 2 * (images - low) / (high - low) - 1


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 10)
    net = nn.Sequential(GatedConv(2, width), GatedConv(width, width), nn.Conv2d(width, 1, 3, padding=1))
    optimizer = kit.adam(net, lr=0.005, betas=(0.5, 0.9))

    def train_step(batch: Any) -> Tensor:
        images, holes = batch["image"], batch["mask"]
        optimizer.zero_grad()
        filled = net(torch.cat([images * (1 - holes), holes], 1))
        loss = (filled - images).abs().mean()
        loss.backward()
        optimizer.step()
        return loss

    ramp = torch.linspace(0, 1, 10)
    batches = []
    for number in range(50):
        raw = 255 * (torch.rand(6, 1, 1, 1) * ramp[:, None] + torch.rand(6, 1, 1, 1) * ramp)
        if number == step and not repaired:
            raw[knobs.randint(0, 5)] = 255.0
        holes = (torch.rand(6, 1, 10, 10) < 0.2).float()
        batches.append({"image": load(raw), "mask": holes})
    return Scenario(net, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), step))
