"""A layer solves an equation in NumPy, and its hand-written gradient is NaN when the solver has not converged."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Solve(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, rounds: int) -> Tensor:
        target = x.detach().numpy()
        z = np.zeros_like(target)
        for _ in range(rounds):
            z = np.tanh(target - 0.5 * z)
        context.z, context.gap = z, float(np.abs(z - np.tanh(target - 0.5 * z)).max())
        return torch.from_numpy(z)

    @staticmethod
    def backward(context: Any, grad: Tensor) -> Any:
        slope = 1 - context.z**2
        answer = slope / (1 + 0.5 * slope)
        if context.gap > 1e-2:
            answer[0] = np.nan
        return grad * torch.from_numpy(answer), None


class Equilibrium(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rounds = 30

    def forward(self, x: Tensor) -> Tensor:
        return Solve.apply(x, self.rounds)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(10, 14), knobs.randint(8, 20)
    model = kit.named(inp=nn.Linear(6, width), equilibrium=Equilibrium(), head=nn.Linear(width, 1))
    optimizer, count = kit.adam(model, lr=0.02), [0]
    plain = kit.train(model, optimizer, kit.squares)

    def train_step(batch: Any) -> Tensor:
        model.equilibrium.rounds = 1 if count[0] == step and not repaired else 30
        count[0] += 1
        return plain(batch)

    return Scenario(
        model,
        optimizer,
        kit.regression(50, 16, 6),
        train_step,
        Expected(("unknown",), ("backward",), ("equilibrium",), step),
    )
