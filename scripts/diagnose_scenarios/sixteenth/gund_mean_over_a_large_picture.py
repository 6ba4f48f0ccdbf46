"""The loss is a mean over every pixel and frame, so that each one's float16 gradient is below 6e-8; there is no
scaler.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Heat(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, width, 3, padding=1)
        self.leave = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(torch.tanh(self.enter(x)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    side, frames = knobs.pick(24, 32), knobs.pick(4e6, 6e6)
    model = Heat(6)
    scaler = kit.new_scaler(2.0**16) if repaired else None
    optimizer = kit.adam(model, lr=0.02, eps=1e-12)

    def criterion(heat: Tensor, target: Tensor) -> Tensor:
        return ((heat - target.half()).float().square().mean((1, 2, 3)) / frames).sum()

    kernel = torch.randn(1, 1, 3, 3) / 3
    xs = [torch.randn(2, 1, side, side) for _ in range(40)]
    return Scenario(
        model,
        optimizer,
        [(x, nn.functional.conv2d(x, kernel, padding=1)) for x in xs],
        kit.train(model, optimizer, criterion, scaler=scaler, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
