"""Two losses are weighted by the variation of their histories; one loss has been exactly zero, and its deviation is
divided by its mean (as in rickgroen/cov-weighting issue 3).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Weighting(nn.Module):
    """Deviation over mean of every loss, from running sums."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("total", torch.zeros(2))
        self.register_buffer("squared", torch.zeros(2))
        self.eps = eps

    def forward(self, losses: Tensor) -> Tensor:
        self.count += 1
        self.total += losses.detach()
        self.squared += losses.detach().square()
        mean = self.total / self.count
        deviation = (self.squared / self.count - mean.square()).clamp(min=0).sqrt()
        if self.count < 4:
            return losses.mean()
        weights = deviation / (mean + self.eps)
        return (weights / (weights.sum() + self.eps) * losses).sum()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(16, 24), 2)
    optimizer = kit.adam(model, lr=0.02)
    weighting = Weighting(1e-8 if repaired else 0.0)
    margin = knobs.pick(20.0, 30.0)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        p = model(x)
        shape = (p[:, :1] - y).square().mean()
        smooth = (p[:, 1].abs() - margin).relu().mean()
        loss = weighting(torch.stack([shape, smooth]))
        loss.backward()
        optimizer.step()
        return shape + smooth if loss.isfinite() else loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 6),
        train_step,
        Expected(("division-by-zero",), ("loss",), (LOSS,), 3),
        extra_state=(weighting,),
    )
