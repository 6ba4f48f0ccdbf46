"""Adapters of low rank beside frozen weights are trained by a loop whose class forgot to clear gradients after a step
(tenstorrent/tt-blacksmith pull request 711).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Adapted(nn.Module):
    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.down, self.up = nn.Linear(inputs, rank, bias=False), nn.Linear(rank, outputs, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 2 * self.up(self.down(x))


class Trainer:
    def __init__(self, model: nn.Module, optimizer: Any, clear: bool) -> None:
        self.model, self.optimizer, self.clear = model, optimizer, clear

    def step(self, batch: Any) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        if self.clear:
            self.optimizer.zero_grad()
        return loss


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(proj=Adapted(10, 16, knobs.pick(2, 4)), act=nn.Tanh(), head=Adapted(16, 2, 2))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.2)
    return Scenario(
        model,
        optimizer,
        kit.regression(80, 32, 10, 2),
        Trainer(model, optimizer, repaired).step,
        Expected(("zero-grad",), (), (), None),
    )
