"""A sliding window and a padding mask are added; late queries of a short text see padding only within their window."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Local(nn.Module):
    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.reach = reach

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        place = torch.arange(x.shape[1])
        far = (place[:, None] - place[None, :]).abs() > self.reach
        window = torch.zeros(far.shape).masked_fill(far, -math.inf)
        padding = torch.zeros(x.shape[:2]).masked_fill(place[None, :] >= length[:, None], -math.inf)
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = q @ k.transpose(1, 2) / x.shape[-1] ** 0.5 + window + padding[:, None, :]
        return torch.softmax(scores, -1) @ v


class Text(nn.Module):
    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.words = nn.Embedding(20, width)
        self.local = Local(width, reach)
        self.head = nn.Linear(width, 2)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        h = self.words(batch[0])
        return self.head((h + self.local(h, batch[1]))[:, 0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length, reach = knobs.step(), knobs.pick(10, 12), knobs.pick(2, 3)
    model = Text(12, reach)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for i in range(50):
        ids = torch.randint(20, (8, length))
        lengths = torch.randint(length - reach, length + 1, (8,))
        if i == step and not repaired:
            lengths[knobs.randint(0, 7)] = 3
        batches.append(((ids, lengths), ids[:, 0] % 2))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("masked-softmax",), ("forward",), ("local",), step),
    )
