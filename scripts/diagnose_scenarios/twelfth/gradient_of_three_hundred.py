"""A finite gradient of some hundreds is squared in half to find its norm; the square is infinite, the factor that
clips is zero, and so is the gradient after it (tracel-ai/burn issue 5699).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def clip(weights: list[nn.Parameter], most: float, wide: bool) -> None:
    for weight in weights:
        grad = weight.grad.to(torch.float32 if wide else torch.float16)
        norm = grad.square().sum().sqrt().float()
        weight.grad.mul_((most / (norm + 1e-6)).clamp(max=1.0))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = nn.Sequential(nn.Linear(10, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.8)
    weights = list(model.parameters())
    tokens = knobs.pick(24, 32)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        error = (model(x) - y).square()
        (error.sum() * tokens).backward()
        clip(weights, 0.5, repaired)
        optimizer.step()
        return error.mean()

    batches = kit.regression(70, 48, 10)
    batches = [(x, 2 * y + 1.5) for x, y in batches]
    return Scenario(
        model, optimizer, batches, train_step, Expected(("fp16-overflow",), ("backward", "optimizer"), (), 0, "stalls")
    )
