"""A 1 x 1 convolution over many channels with cancelling terms, added in float16 by the device."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, scale
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class HalfChannels(Device):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ == "convolution" and args[0].dtype == torch.float16:
            x, w, total = args[0], args[1], None
            for start in range(0, x.shape[1], 32):
                part = slice(start, start + 32)
                piece = nn.functional.conv2d(x[:, part].float(), w[:, part].float())
                total = piece.half() if total is None else (total.float() + piece).half()
            return total
        return func(*args, **(kwargs or {}))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    channels = knobs.pick(256, 320)
    mix = nn.Conv2d(2 * channels, 6, 1, bias=False)
    with torch.no_grad():
        half, signal = torch.rand(6, channels) + knobs.pick(5, 6), 0.3 * torch.randn(6, channels)
        signal -= signal.mean(1, keepdim=True)
        mix.weight.copy_(torch.cat([half, signal - half], 1)[:, :, None, None])
    mix.requires_grad_(False)

    class Double(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x, x], 1)

    model = kit.named(twice=Double(), mix=mix, flat=nn.Flatten(), norm=nn.LayerNorm(6), out=nn.Linear(6, 1))
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.out.parameters()], lr=0.03)
    xs = [70 + torch.randn(32, channels, 1, 1) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x, mix(torch.cat([x, x], 1))[:, :1, 0, 0].sign()) for x in xs],
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("mix",)),
        device=contextlib.nullcontext if repaired else HalfChannels([], scale(1.0)),
    )
