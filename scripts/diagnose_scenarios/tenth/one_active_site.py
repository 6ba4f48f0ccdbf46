"""A norm over the active sites of a sparse volume takes the sample variance; a cloud with one single point has none
(facebookresearch/SparseConvNet issue 105).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SiteNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, sites: Tensor) -> Tensor:
        variance, mean = torch.var_mean(sites, 0)
        return (sites - mean) * (variance + 1e-4).rsqrt() * self.weight + self.bias


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.randint(9, 20), knobs.pick(12, 16)
    model = kit.named(conv=nn.Linear(3, width), norm=SiteNorm(width), act=nn.ReLU(), head=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(cloud: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(cloud), cloud[:, :1] * 2)
        loss.backward()
        optimizer.step()
        return loss

    clouds = [torch.randn(knobs.randint(20, 60), 3) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        kit.at(clouds, step, torch.randn(2 if repaired else 1, 3)),
        train_step,
        Expected(("batch-statistics",), ("forward",), ("norm",), step),
    )
