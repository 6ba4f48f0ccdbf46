"""A mask of the lowest finite number is added twice to an empty text: minus infinity in whole rows."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, limit: bool) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.limit = limit

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        q = self.query(x)
        lowest = torch.finfo(q.dtype).min
        causal = torch.full((x.shape[1], x.shape[1]), lowest, dtype=q.dtype).triu(1)
        hidden = padding.to(q.dtype)[:, None, :] * lowest
        mask = causal + hidden + hidden
        if self.limit:
            mask = mask.clamp(min=lowest)
        return (q @ q.transpose(1, 2) / x.shape[-1] ** 0.5 + mask).softmax(-1) @ self.value(x)


class Net(nn.Module):
    def __init__(self, width: int, limit: bool) -> None:
        super().__init__()
        self.attn = Attention(width, limit)
        self.out = nn.Linear(width, 1)

    def forward(self, batch: Any) -> Tensor:
        x, padding = batch
        return self.out((x + self.attn(x, padding)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = Net(width, repaired)
    optimizer = kit.adam(model, lr=0.02)
    batches = [((x, torch.zeros(8, 6)), y) for x, y in kit.sequences(60, 8, 6, width)]
    batches[step][0][1][3] = 1
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("masked-softmax",), ("forward",), ("attn",), step),
    )
