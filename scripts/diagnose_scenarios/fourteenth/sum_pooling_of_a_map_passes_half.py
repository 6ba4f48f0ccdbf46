"""A heat map of 48 x 48 float16 activations near 40 is summed, not averaged: 92000 does not fit."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SumPool(nn.Module):
    def __init__(self, wide: bool) -> None:
        super().__init__()
        self.wide = wide

    def forward(self, x: Tensor) -> Tensor:
        return (x.float() if self.wide else x.half()).sum((2, 3))


class Counter(nn.Module):
    def __init__(self, width: int, wide: bool) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(1, width, 3, padding=1), SumPool(wide)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.pool(self.conv(x).relu())))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Counter(knobs.pick(4, 6), repaired)
    with torch.no_grad():
        model.conv.bias.copy_(torch.linspace(5, knobs.pick(45, 60), model.conv.bias.numel()))
    optimizer = kit.adam(model, lr=0.02)
    levels = [torch.rand(6, 1) for _ in range(50)]
    batches = [(20 * y[:, :, None, None] + torch.randn(6, 1, 48, 48), y) for y in levels]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("pool",)),
    )
