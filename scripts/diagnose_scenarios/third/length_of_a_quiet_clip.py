"""Embeddings brought to unit length in float16: the squares of a quiet clip's are all zero, and so is its length."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Unit(nn.Module):
    def __init__(self, single: bool) -> None:
        super().__init__()
        self.single = single

    def forward(self, x: Tensor) -> Tensor:
        x = x.float() if self.single else x
        return x / x.square().sum(-1, keepdim=True).sqrt()


def build(seed: int, repaired: bool = False) -> Scenario:
    """Two views of a clip attract, those of other clips repel."""
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(proj=nn.Linear(10, width, bias=False), unit=Unit(repaired))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            first, second = model(batch[0]), model(batch[1])
            loss = kit.cross_entropy(5 * (first.float() @ second.float().t()), torch.arange(len(first)))
        loss.backward()
        optimizer.step()
        return loss

    clips = [torch.cat([torch.randn(16, 5), torch.zeros(16, 5)], 1) for _ in range(60)]
    pairs = [tuple(clip + torch.cat([torch.zeros(16, 5), torch.randn(16, 5)], 1) for _ in range(2)) for clip in clips]
    for view in pairs[step]:
        view[knobs.randint(0, 15)] *= knobs.pick(1e-4, 7e-5) / 3
    return Scenario(model, optimizer, pairs, train_step, Expected(("underflow",), ("forward",), ("unit",), step))
