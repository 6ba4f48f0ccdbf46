"""A net that enlarges pictures is trained on from a baseline with its weights in float16; an update is less than half
the distance to the next float16, and is lost when it is added (sanghyun-son/EDSR-PyTorch issue 36).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Signs(torch.optim.Optimizer):
    """Steps of one length along the signs of averaged gradients."""

    def __init__(self, weights: Any, lr: float) -> None:
        super().__init__(weights, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                average = self.state[weight].setdefault("average", torch.zeros_like(weight))
                average.mul_(0.5).add_(weight.grad, alpha=0.5)
                weight.sub_(average.sign() * group["lr"])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(tail=nn.Conv2d(1, 4, 3, padding=1, bias=False), shuffle=nn.PixelShuffle(2))
    with torch.no_grad():
        weight = model.tail.weight
        # Away from zero, where the spacing of float16 is a thousandth.
        weight.copy_(torch.where(torch.rand_like(weight) < 0.5, -1.0, 1.0) * (1.2 + 0.6 * torch.rand_like(weight)))
        weight.copy_(weight.half())
    baseline, teacher = copy.deepcopy(model), copy.deepcopy(model)
    with torch.no_grad():
        teacher.tail.weight.add_(0.02 * torch.randn_like(weight))
    kind = torch.float32 if repaired else torch.float16
    model.to(kind)
    optimizer = Signs(model.parameters(), knobs.pick(3.5e-4, 4e-4))

    def train_step(batch: Any) -> Tensor:
        small, old, wanted = batch
        optimizer.zero_grad()
        loss = (model(small.to(kind)).float() - old - wanted).abs().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(80):
        small = torch.randn(6, 1, 6, 6)
        with torch.no_grad():
            old = baseline(small)
            batches.append((small, old, teacher(small) - old))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("fp16-accumulation",), ("optimizer",), (), None, "stalls")
    )
