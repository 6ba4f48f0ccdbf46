"""Attention scores are masked with -1e10, which float16 does not hold: torch refuses (as in NVIDIA/apex issue 1105)."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class MaskedAttention(nn.Module):
    def __init__(self, width: int, fill: float) -> None:
        super().__init__()
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.fill = fill

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        scores = self.q(x) @ self.k(x).transpose(1, 2) / x.shape[-1] ** 0.5
        return scores.masked_fill(mask[:, None] == 0, self.fill).softmax(-1) @ self.v(x)


class Net(nn.Module):
    def __init__(self, width: int, fill: float) -> None:
        super().__init__()
        self.attn = MaskedAttention(width, fill)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.out(self.attn(x, mask).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = Net(width, -1e4 if repaired else knobs.pick(-1e10, -1e9))
    optimizer, scaler = kit.adam(model, lr=0.02), kit.new_scaler(2.0**10)

    def train_step(batch: Any) -> Tensor:
        x, mask, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x, mask), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    batches = []
    for x, y in kit.sequences(80, 16, 6, width):
        mask = torch.ones(16, 6)
        mask[::2, 4:] = 0
        batches.append((x, mask, y))
    # nothing overflows while it runs: the constant itself is beyond the format
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("fp16-overflow",), ("forward",), ("attn",), 0, "raises"),
        scaler=scaler,
    )
