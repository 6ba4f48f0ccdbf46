"""The squeeze of an excitation block averages a large map; the device adds it up in float16 before it divides, and
the total passes 65504 (google-ai-edge/LiteRT issue 9249).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Squeeze(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(x.mean((2, 3)) / 100).sigmoid()[:, :, None, None]


def in_half(call: Call) -> None:
    x = call.args[0]
    total = x.float().sum(call.args[1], keepdim=call.out.dim() == x.dim()).half()
    call.out.copy_(total / (x.numel() // total.numel()))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size, width = 32, 6
    level = knobs.pick(90.0, 110.0)
    model = kit.named(
        conv=nn.Conv2d(2, width, 1),
        squeeze=Squeeze(width),
        pool=nn.MaxPool2d(size),
        flat=nn.Flatten(),
        norm=nn.LayerNorm(width),
        head=nn.Linear(width, 3),
    )
    nn.init.constant_(model.conv.bias, level)
    optimizer = kit.adam(model, lr=0.05)
    colours = 20 * torch.randn(3, 2, 1, 1)
    labels = [torch.randint(3, (16,)) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(colours[y] + torch.randn(16, 2, size, size), y) for y in labels],
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("squeeze",)),
        device=contextlib.nullcontext if repaired else Device(["mean"], in_half, when=lambda call: len(call.args) > 1),
    )
