"""Attention with a causal mask of minus infinity: each row keeps at least one key."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Mask(nn.Module):
    def forward(self, scores: Tensor) -> Tensor:
        return scores + torch.full(scores.shape[1:], float("-inf"), dtype=scores.dtype).triu(1)


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.mask = Mask()

    def forward(self, x: Tensor) -> Tensor:
        q = self.query(x)
        scores = self.mask(q @ q.transpose(1, 2) / x.shape[-1] ** 0.5)
        return scores.softmax(-1) @ self.value(x)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = Attention(width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x + self.attn(x)).mean(1))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12, 16)
    model = Net(width)
    optimizer = kit.adam(model)
    return Scenario(
        model,
        optimizer,
        kit.sequences(60, 8, knobs.pick(5, 8), width),
        kit.train(model, optimizer, kit.squares, amp=knobs.pick(None, torch.float16, torch.bfloat16)),
    )
