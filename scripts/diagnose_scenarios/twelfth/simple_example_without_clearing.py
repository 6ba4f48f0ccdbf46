"""The first example of a library for analogue chips lets the gradients of ten rounds pile up; the loss falls, rises
again and swings ever wider (IBM/aihwkit issue 446).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Analog(nn.Module):
    """A layer whose weights are read with the steps of a converter."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.3 * torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        read = self.weight + ((self.weight * 256).round() / 256 - self.weight).detach()
        return x @ read.t() + self.bias


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Analog(4, 2)
    opt = torch.optim.SGD(model.parameters(), lr=knobs.pick(0.08, 0.1))

    def train_step(batch: Any) -> Tensor:
        if repaired:
            opt.zero_grad()
        loss = nn.functional.mse_loss(model(batch[0]), batch[1])
        loss.backward()
        opt.step()
        return loss

    teacher = torch.randn(4, 2)
    batches = []
    for _ in range(80):
        x = torch.randn(6, 4)
        batches.append((x, x @ teacher + 0.3 * torch.randn(6, 2)))
    return Scenario(model, opt, batches, train_step, Expected(("zero-grad",), (), (), None, "diverges"))
