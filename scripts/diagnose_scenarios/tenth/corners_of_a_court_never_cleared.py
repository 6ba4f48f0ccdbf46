"""A trainer for the corners of a tennis court computes the loss, calls backward and steps, and nowhere clears the
gradients (yastrebksv/TennisCourtDetector issue 7).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size, width = 10, knobs.pick(6, 8)
    model = kit.named(conv1=nn.Conv2d(1, width, 3, padding=1), act=nn.ReLU(), conv2=nn.Conv2d(width, 1, 3, padding=1))
    optimizer = kit.sgd(model, lr=0.3, momentum=0.9)
    axis = torch.arange(size).float()

    def train_step(batch: Any) -> Tensor:
        frame, heat = batch
        loss = nn.functional.mse_loss(model(frame), heat)
        if repaired:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(80):
        corner = torch.rand(16, 2, 1) * size
        near = (-(axis - corner).square() / 3).exp()
        heat = (near[:, 0, :, None] * near[:, 1, None, :])[:, None]
        batches.append((heat + 0.1 * torch.randn_like(heat), 3 * heat))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("zero-grad",), ("optimizer", "backward"), (), None, "diverges")
    )
