"""A residual net whose weights are all in half learns worse without a scale on the loss: small gradients are rounded
to zero, and the scale brings them back (PaddlePaddle/models pull request 5047).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(self.fc1(x).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(stem=nn.Linear(9, width), block=Residual(width), fc=nn.Linear(width, 3)).half()
    masters = [weight.detach().float().requires_grad_() for weight in model.parameters()]
    optimizer = torch.optim.SGD(masters, lr=knobs.pick(3e6, 4e6), momentum=0.8)
    share, scale = 1e-7, 2.0**15 if repaired else 1.0

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = nn.functional.cross_entropy(model(x.half()).float(), y)
        model.zero_grad()
        (loss * share * scale).backward()
        for master, weight in zip(masters, model.parameters(), strict=True):
            master.grad = weight.grad.float() / scale
        optimizer.step()
        with torch.no_grad():
            for master, weight in zip(masters, model.parameters(), strict=True):
                weight.copy_(master)
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(50, 64, 9, 3),
        train_step,
        Expected(("gradient-underflow",), ("backward",), (), 0, "stalls"),
    )
