"""A soft dynamic-time-warping loss computed outside torch, with a band around the diagonal: for two sequences whose
lengths differ by more than the band there is no path, and it returns infinity (Maghoumi/pytorch-softdtw-cuda issue 8).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def softmin(a: float, b: float, c: float) -> float:
    least = min(a, b, c)
    if not np.isfinite(least):
        return least
    return least - float(np.log(sum(np.exp(-(value - least)) for value in (a, b, c))))


class SoftDTW(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, distance: Tensor, band: int) -> Tensor:
        d = distance.numpy().astype(np.float64)
        n, m = d.shape
        r = np.full((n + 2, m + 2), np.inf)
        r[0, 0] = 0
        for i in range(1, n + 1):
            for j in range(1, m + 1):
                if band and abs(i - j) > band:
                    continue
                r[i, j] = d[i - 1, j - 1] + softmin(r[i - 1, j - 1], r[i - 1, j], r[i, j - 1])
        context.d, context.r, context.band = d, r, band
        return distance.new_tensor(r[n, m])

    @staticmethod
    def backward(context: Any, grad: Tensor) -> Any:
        d, r = context.d, context.r
        n, m = d.shape
        r[np.isinf(r)] = -np.inf
        e, cost = np.zeros((n + 2, m + 2)), np.zeros((n + 2, m + 2))
        cost[1:-1, 1:-1] = d
        r[:, -1] = r[-1, :] = -np.inf
        r[-1, -1], e[-1, -1] = r[-2, -2], 1
        with np.errstate(all="ignore"):
            for i in range(n, 0, -1):
                for j in range(m, 0, -1):
                    if context.band and abs(i - j) > context.band:
                        continue
                    for a, b in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
                        e[i, j] += e[a, b] * np.exp(r[a, b] - r[i, j] - cost[a, b])
        return grad * torch.from_numpy(e[1:-1, 1:-1]).float(), None


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, frames = knobs.step(), knobs.pick(8, 9)
    model = kit.named(fc=nn.Linear(3, 16), act=nn.Tanh(), mel=nn.Linear(16, 2))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        text, mel = batch
        optimizer.zero_grad()
        distance = (model(text)[:, None] - mel).square().sum(-1)
        loss = SoftDTW.apply(distance, 0 if repaired else 3) / len(text)
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(3, 2)
    batches = []
    for number in range(50):
        text = torch.randn(frames, 3)
        longer = knobs.randint(5, 6) if number == step else knobs.randint(0, 2)
        mel = (text @ teacher).repeat_interleave(torch.tensor([1 + longer, *[1] * (frames - 1)]), 0)
        batches.append((text, mel + 0.05 * torch.randn_like(mel)))
    return Scenario(model, optimizer, batches, train_step, Expected(("unknown",), ("loss",), (LOSS,), step))
