"""A diffusion over bits computes the probability of a whole sequence as a product; over a long one float32 has nothing
left, and the logarithm follows (horenbergerb/BernoulliDiffusion issue 15).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class ReverseModel(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Conv1d(1, width, 3, padding=1)
        self.out = nn.Conv1d(width, 1, 3, padding=1)

    def forward(self, noisy: Tensor) -> Tensor:
        return self.out(self.inp(noisy[:, None]).relu())[:, 0].sigmoid()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, long = knobs.step(), knobs.pick(300, 340)
    model = ReverseModel(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        clean, noisy = batch
        p = model(noisy).clamp(1e-5, 1 - 1e-5)
        each = clean * p + (1 - clean) * (1 - p)
        if repaired:
            likelihood = each.log().sum(1)
        else:
            likelihood = each.prod(1).log()
        loss = -(likelihood / clean.shape[1]).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(70):
        length = long if number == step else knobs.randint(20, 40)
        clean = (torch.arange(length) // 3 % 2).float().expand(8, -1)
        flipped = (torch.rand(8, length) < 0.1).float()
        batches.append((clean, (clean - flipped).abs()))
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
