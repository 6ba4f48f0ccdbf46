"""A net of half weights is trained by an optimizer that knows no scale for the loss; the gradients of the mean over
many numbers vanish on their way back (tensorflow/tensorflow pull request 27655).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class HalfNet(nn.Module):
    """Single-precision weights, everything computed in half."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.second = nn.Linear(width, inputs)

    def forward(self, x: Tensor) -> Tensor:
        h = nn.functional.linear(x.half(), self.first.weight.half(), self.first.bias.half())
        return nn.functional.linear(h.relu(), self.second.weight.half(), self.second.bias.half())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs = knobs.pick(10, 12)
    model = HalfNet(inputs, 16)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01, eps=1e-16)
    scale = 2.0**15 if repaired else 1.0

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        optimizer.zero_grad()
        said = model(batch[0])
        loss = (said.float() - batch[1]).square().sum() / knobs_total
        (loss * scale).backward()
        for weight in model.parameters():
            weight.grad.div_(scale)
        optimizer.step()
        return loss

    knobs_total = knobs.pick(4e8, 9e8)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 40, inputs, inputs),
        train_step,
        Expected(("gradient-underflow",), ("backward",), (), 0, "stalls"),
    )
