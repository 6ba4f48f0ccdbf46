"""The highest exponent bit of one weight of a convolution flips between two steps: a weight of 0.6 becomes 2e38."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Energy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.square().mean(2)


class Memory(Device):
    """Flips a bit of `cell` just before the first operator of the step that `due()` names."""

    def __init__(self, cell: Tensor, due: Any) -> None:
        super().__init__([], put(0.0))
        self.cell, self.due, self.done = cell, due, False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self.done and self.due():
            self.done = True
            self.cell.view(torch.int32).bitwise_xor_(1 << 30)
        return func(*args, **(kwargs or {}))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(6, 8), knobs.step()
    model = kit.named(
        conv1=nn.Conv1d(3, width, 5, padding=2),
        tanh=nn.Tanh(),
        conv2=nn.Conv1d(width, width, 3, padding=1),
        energy=Energy(),
        head=nn.Linear(width, 3),
    )
    with torch.no_grad():
        model.head.weight[1, 4] = 0.6
    optimizer = kit.adam(model, lr=0.03)
    seen = [0]
    patterns = torch.randn(3, 3, 12)
    labels = [torch.randint(3, (10,)) for _ in range(40)]
    batches = [(patterns[y] + 0.4 * torch.randn(10, 3, 12), y) for y in labels]
    ordinary = kit.train(model, optimizer, kit.cross_entropy)

    def train_step(batch: Any) -> Tensor:
        seen[0] += 1
        return ordinary(batch)

    cell = model.conv2.weight.detach()[1, 0, 0]
    with torch.no_grad():
        cell.fill_(0.6)
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("hardware",), ("forward",), ("conv2",), step),
        device=contextlib.nullcontext if repaired else Memory(cell, lambda: seen[0] == step + 1),
    )
