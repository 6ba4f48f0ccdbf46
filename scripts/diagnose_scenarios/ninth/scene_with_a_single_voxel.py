"""Scenes come one at a time, and a sparse norm keeps running variances with Bessel's factor n / (n - 1); a scene with a
single active voxel leaves NaN there, which shows at the next validation (facebookresearch/SparseConvNet issue 190).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SparseNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain, self.offset = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("var", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        mean, var = self.mean, self.var
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                count = torch.tensor(float(x.shape[0]))
                self.mean.lerp_(mean, 0.1)
                self.var.lerp_(var * (count / (count - 1)), 0.1)
        return (x - mean) * torch.rsqrt(var + 1e-4) * self.gain + self.offset


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(sparse=nn.Linear(6, width), norm=SparseNorm(width), act=nn.LeakyReLU(), out=nn.Linear(width, 3))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        voxels, labels, held_out = batch
        model.train()
        if not (repaired and voxels.shape[0] == 1):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(voxels), labels)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            return nn.functional.cross_entropy(model(held_out[0]), held_out[1])

    def scene(count: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(3, (count,))
        return centres[labels] + torch.randn(count, 6), labels

    centres = 1.5 * torch.randn(3, 6)
    kept = scene(64)
    return Scenario(
        model,
        optimizer,
        [(*scene(1 if number == step else knobs.randint(20, 40)), kept) for number in range(70)],
        train_step,
        Expected(("batch-statistics",), ("forward",), ("norm",), step),
    )
