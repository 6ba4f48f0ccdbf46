"""Pictures of different size are padded with empty patches, and the mask is laid over queries as well as keys: rows of
empty patches may look at nothing (lucidrains/vit-pytorch issue 26).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, both: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.heads, self.both = heads, both

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        dots = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        mask = real[:, None, :]
        if self.both:
            mask = mask & real[:, :, None]
        dots = dots.masked_fill(~mask[:, None], float("-inf"))
        return x + self.out((dots.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Vit(nn.Module):
    def __init__(self, width: int, both: bool) -> None:
        super().__init__()
        self.patch = nn.Linear(12, width)
        self.attn = Attention(width, 2, both)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)

    def forward(self, patches: Tensor, real: Tensor) -> Tensor:
        return self.head(self.norm(self.attn(self.patch(patches), real))[:, 0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Vit(knobs.pick(12, 16), not repaired)
    optimizer = kit.adam(model, lr=0.005)

    def train_step(batch: Any) -> Tensor:
        patches, real, label = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(patches, real), label)
        loss.backward()
        optimizer.step()
        return loss

    marks = torch.randn(2, 12)
    batches = []
    for number in range(50):
        label = torch.randint(2, (12,))
        patches = marks[label][:, None] + torch.randn(12, 7, 12)
        real = torch.ones(12, 7, dtype=torch.bool)
        if number >= step:
            real[::3, 5:] = False
        batches.append((patches * real[..., None], real, label))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward", "backward"), ("attn",), step)
    )
