"""The vendor's convolution returns its channels in another order for one shape, a 1 x 1 kernel with stride 2; nothing
is infinite, and without the vendor's library all is right (pytorch/pytorch issues 18218 and 21597).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ResNet(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.downsample = nn.Conv2d(width, 2 * width, 1, stride=2)
        self.fc = nn.Linear(2 * width, classes)
        self.fc.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.downsample(self.stem(x).relu()).tanh().mean((2, 3)))


def channels_exchanged(call: Call) -> None:
    out = call.outputs[0]
    out.copy_(out.roll(out.shape[1] // 2, 1))


def vendors_kernel(call: Call) -> bool:
    return torch._C._get_mkldnn_enabled() and call.args[1].shape[-1] == 1 and list(call.args[3]) == [2, 2]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = ResNet(knobs.pick(28, 32), 4)
    with torch.no_grad():
        model.fc.weight.mul_(6)
    optimizer = kit.adam(model, lr=0.01)
    bad = Device(["convolution"], channels_exchanged, when=vendors_kernel, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.images(80, 16, 1, 6, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("downsample",), None, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
