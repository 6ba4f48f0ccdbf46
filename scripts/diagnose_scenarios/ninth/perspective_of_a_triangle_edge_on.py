"""A renderer outside torch corrects barycentric weights for perspective and divides by their sum, which is 0 for a
triangle that lies in the plane of the camera (facebookresearch/pytorch3d issue 508).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Rasterizer(nn.Module):
    """Weights of a pixel's triangle corners, computed by foreign code, mix learnt corner colours."""

    def __init__(self, width: int, guard: float) -> None:
        super().__init__()
        self.colour = nn.Linear(3, width)
        self.guard = guard

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        plain, depth = batch["weights"].numpy(), batch["depth"].numpy()
        others = depth[:, [1, 2, 0]] * depth[:, [2, 0, 1]]
        with np.errstate(invalid="ignore", divide="ignore"):
            top = plain * others
            corrected = top / np.maximum(top.sum(-1, keepdims=True), np.float32(self.guard))
        return (torch.from_numpy(corrected)[..., None] * self.colour(batch["corners"])).sum(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(raster=Rasterizer(width, 1e-8 if repaired else 0.0), act=nn.Tanh(), shade=nn.Linear(width, 3))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.l1_loss(model(batch), batch["pixels"])
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        weights = torch.rand(32, 3).softmax(-1)
        corners = torch.randn(32, 3, 3)
        depth = 1 + torch.rand(32, 3)
        if number == step:
            depth[knobs.randint(0, 31)] = 0
        pixels = (weights[..., None] * corners).sum(1).tanh()
        batches.append({"weights": weights, "corners": corners, "depth": depth, "pixels": pixels})
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("unknown", "division-by-zero"), ("forward",), ("raster",), step),
    )
