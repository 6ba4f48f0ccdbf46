"""Gradients in float16 are clipped by a norm whose squares are summed in float16 over all shards; the square of five
thousand has no place in it, the norm is infinite and every update becomes nothing (facebookresearch/fairscale pull
request 263).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def clip(shards: list[list[Tensor]], most: float, kind: torch.dtype) -> Tensor:
    """Scale the gradients of all shards so that their common norm is at most `most`."""
    squares = [torch.stack([grad.float().norm() for grad in shard]).norm().to(kind) ** 2 for shard in shards]
    norm = torch.stack(squares).sum().sqrt()
    factor = (most / (norm.float() + 1e-6)).clamp(max=1.0)
    for shard in shards:
        for grad in shard:
            grad.mul_(factor)
    return norm


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    model = kit.named(inp=nn.Linear(8, width), act=nn.ReLU(), mid=nn.Linear(width, width), act2=nn.ReLU())
    model.add_module("out", nn.Linear(width, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    unit = knobs.pick(3000.0, 4000.0)
    master = list(model.parameters())

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.l1_loss(model(x), y)
        (unit * loss).backward()
        halves = [weight.grad.half() for weight in master]
        clip([halves[:3], halves[3:]], 2.0, torch.float32 if repaired else torch.float16)
        for weight, grad in zip(master, halves, strict=True):
            weight.grad = grad.float()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(80, 32, 8),
        train_step,
        Expected(("fp16-overflow",), ("optimizer", "backward"), (), None, "stalls"),
    )
