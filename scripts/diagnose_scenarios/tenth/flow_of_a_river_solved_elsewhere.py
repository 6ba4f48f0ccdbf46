"""A model of rivers is solved by a program outside of the training, which hands back the gradient too; for a basin that
runs dry that gradient is no number (DassHydro/smash issue 399).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Solver(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rain: Tensor, release: Tensor, spare: float) -> Tensor:
        water, k = rain.detach().numpy().astype(np.float64), release.detach().numpy().astype(np.float64)
        ctx.told, ctx.spare = (water, k), spare
        return torch.from_numpy((k * np.sqrt(water)).astype(np.float32))

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> Any:
        water, _ = ctx.told
        with np.errstate(all="ignore"):
            slope = np.sqrt(water) * (water + ctx.spare) / (water + ctx.spare)
        return None, incoming * torch.from_numpy(slope.astype(np.float32)), None


class River(nn.Module):
    def __init__(self, columns: int, width: int, spare: float) -> None:
        super().__init__()
        self.describe = nn.Linear(columns, width)
        self.release = nn.Linear(width, 1)
        self.spare = spare

    def forward(self, batch: Any) -> Tensor:
        basin, rain = batch
        k = nn.functional.softplus(self.release(self.describe(basin).relu()))
        return Solver.apply(rain, k, self.spare)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(9, 18)
    model = kit.named(river=River(4, knobs.pick(10, 12), 1e-9 if repaired else 0.0))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(60):
        basin, rain = torch.randn(24, 4), 0.2 + torch.rand(24, 1)
        if number == step:
            rain[knobs.randint(0, 23)] = 0.0
        batches.append(((basin, rain), (basin[:, :1].exp() + 0.5) * rain.sqrt()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("unknown",), ("backward",), ("river", "river.release"), step),
    )
