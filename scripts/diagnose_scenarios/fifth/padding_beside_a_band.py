"""Banded attention together with a padding mask: the last words of a short text may look at padding only
(pytorch/pytorch issue 41508).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, width: int, length: int, classes: int) -> None:
        super().__init__()
        self.inp = nn.Linear(4, width)
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, classes)
        place = torch.arange(length)
        gap = place[:, None] - place
        band = torch.zeros(length, length).masked_fill((gap < 0) | (gap > 1), float("-inf"))
        self.register_buffer("band", band)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        h = self.inp(x)
        mixed, _ = self.attn(h, h, h, key_padding_mask=padding, attn_mask=self.band)
        h = self.norm(h + mixed).masked_fill(padding[..., None], 0)
        return self.out(h.sum(1) / (~padding).sum(1, keepdim=True))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length = knobs.step(), knobs.pick(8, 9)
    model = Encoder(knobs.pick(8, 12), length, 3)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, padding, y = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x, padding), y)
        loss.backward()
        optimizer.step()
        return loss

    centres = torch.randn(3, 4)
    batches = []
    for number in range(60):
        y = torch.randint(3, (12,))
        padding = torch.zeros(12, length, dtype=torch.bool)
        padding[:4, -1] = True
        if number >= step and not repaired:
            padding[0, -3:] = True
        batches.append((centres[y][:, None] + 0.5 * torch.randn(12, length, 4), padding, y))
    return Scenario(model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("attn",), step))
