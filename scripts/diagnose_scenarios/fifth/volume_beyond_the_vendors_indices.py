"""The vendor's three-dimensional convolution is wrong for volumes beyond a certain size, and right without the vendor's
library (pytorch/pytorch issue 84488).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class VolumeNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv3d(1, width, 3, padding=1)
        self.mix = nn.Conv3d(width, width, 1)
        self.fc = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.mix(self.stem(x).relu()).relu().mean((2, 3, 4)))


def large_on_the_vendors_kernel(call: Call) -> bool:
    out = call.outputs[0]
    return torch._C._get_mkldnn_enabled() and out.dim() == 5 and out[0].numel() > 2000 and call.args[1].shape[-1] == 1


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = VolumeNet(6)
    optimizer = kit.adam(model, lr=0.01)
    bad = Device(["convolution"], put(math.inf, (1, 0, 0, 0, 0)), when=large_on_the_vendors_kernel, dtypes=SINGLE)
    batches = []
    for number in range(40):
        side = 8 if number == step else knobs.pick(4, 5)
        y = torch.randint(2, (6,))
        contrast = (0.3 + y.float())[:, None, None, None, None]
        batches.append((contrast * torch.randn(6, 1, side, side, side), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("mix",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
