"""Convolutions in float16 return NaN in their first channel once they have eight input channels, on a GTX 1660
(pytorch/pytorch issue 58123).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class UNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inc = nn.Conv2d(1, width, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.up = nn.Upsample(scale_factor=2)
        self.outc = nn.Conv2d(3 * width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.inc(x).relu()
        return self.outc(torch.cat([a, self.up(self.down(a).relu())], 1))


def first_channel(call: Call) -> None:
    call.outputs[0][:, 0] = math.nan


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    net = UNet(8)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=knobs.pick(0.002, 0.003), momentum=0.5)
    scaler = kit.new_scaler(2.0**8)
    bad = Device(["convolution"], first_channel, when=lambda call: call.args[0].shape[1] == 8)
    batches = []
    for _ in range(50):
        mask = (torch.rand(4, 1, 4, 4) < 0.4).float().repeat_interleave(2, 2).repeat_interleave(2, 3)
        batches.append((mask + 0.4 * torch.randn(4, 1, 8, 8), mask))

    def loss_of(logits: Tensor, mask: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(logits.float(), mask)

    return Scenario(
        net,
        optimizer,
        batches,
        kit.train(net, optimizer, loss_of, scaler=scaler, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("down",)),
        scaler=scaler,
        device=contextlib.nullcontext if repaired else bad,
    )
