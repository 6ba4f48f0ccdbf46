"""A trainer for adapters steps the optimizer and leaves the gradients standing (as in tenstorrent/tt-blacksmith pull
request 711).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Lora(nn.Module):
    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.a = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.b = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.a.t() @ self.b.t()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    rank = knobs.pick(4, 6)
    model = kit.named(lora=Lora(8, 4, rank))
    optimizer = torch.optim.SGD([model.lora.a, model.lora.b], lr=0.2)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        if repaired:
            optimizer.zero_grad()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(120, 32, 8, 4),
        train_step,
        Expected(("zero-grad",), (), (), None),
    )
