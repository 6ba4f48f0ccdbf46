"""A sequence whose every key is masked: softmax over minus infinity only."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        q = self.query(x)
        scores = q @ q.transpose(1, 2) / x.shape[-1] ** 0.5
        scores = scores.masked_fill(hidden[:, None, :], float("-inf"))
        return scores.softmax(-1) @ self.value(x)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = Attention(width)
        self.head = nn.Linear(width, 1)

    def forward(self, batch: Any) -> Tensor:
        return self.head(self.attn(*batch).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12, 16)
    model = Net(width)
    optimizer = kit.adam(model)
    batches = [((x, torch.rand(8, 6) > 0.8), y) for x, y in kit.sequences(60, 8, 6, width)]
    for (_, hidden), _ in batches:
        hidden[:, 0] = False
    if not repaired:
        batches[step][0][1][knobs.randint(0, 7)] = True
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("masked-softmax",), ("forward",), ("attn",), step),
    )
