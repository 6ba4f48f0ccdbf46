"""Bags of words come as sparse matrices with weights from a table; one weight of one text is not a number."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Lookup(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.3 * torch.randn(words, width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sparse.mm(x, self.weight)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, step = knobs.pick(30, 40), knobs.step()
    model = kit.named(lookup=Lookup(words, 12), act=nn.ReLU(), head=nn.Linear(12, 3))
    optimizer = kit.adam(model, lr=0.03)
    batches = []
    for number in range(50):
        y = torch.randint(3, (16,))
        rows = torch.arange(16).repeat_interleave(4)
        columns = (torch.randint(words // 3, (64,)) * 3 + y.repeat_interleave(4)).clamp(max=words - 1)
        weights = 0.5 + torch.rand(64)
        if number == step and not repaired:
            weights[knobs.randint(0, 63)] = math.nan
        batches.append((torch.sparse_coo_tensor(torch.stack([rows, columns]), weights, (16, words)), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("bad-data",), ("data",), (), step),
    )
