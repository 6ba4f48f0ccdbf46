"""The density of a radiance field is the exponential of a net in float16, which ends at 65504: rays into solid matter
still have a colour, but no gradient that is a number (kwea123/ngp_pl issue 107).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Density(nn.Linear):
    """One number a point, which must not be negative."""

    def __init__(self, width: int, soft: bool) -> None:
        super().__init__(width, 1)
        self.soft = soft

    def forward(self, h: Tensor) -> Tensor:
        raw = super().forward(h).squeeze(-1)
        return nn.functional.softplus(raw) if self.soft else torch.exp(raw)


class Field(nn.Module):
    def __init__(self, width: int, soft: bool) -> None:
        super().__init__()
        self.trunk = nn.Linear(3, width)
        self.density = Density(width, soft)
        self.colour = nn.Linear(width, 3)

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.sin(3 * self.trunk(points))
        return self.density(h), self.colour(h).sigmoid()


def render(sigma: Tensor, colour: Tensor, gap: float) -> Tensor:
    alpha = 1 - torch.exp(-sigma.float() * gap)
    through = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha[:, :-1] + 1e-6], 1), 1)
    return ((alpha * through)[..., None] * colour.float()).sum(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    gap = 0.1
    model = Field(knobs.pick(24, 32), repaired)
    optimizer = kit.adam(model, lr=0.005)

    def train_step(batch: Any) -> Tensor:
        points, pixels = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            sigma, colour = model(points)
        loss = nn.functional.mse_loss(render(sigma, colour, gap), pixels)
        loss.backward()
        optimizer.step()
        return loss

    with torch.no_grad():
        model.density.weight.mul_(knobs.pick(9.0, 10.0))
        model.density.bias.fill_(6.0)
    points = [torch.rand(32, 10, 3) * 2 - 1 for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(p, p.mean(1).clamp(-1, 1) / 2 + 0.5) for p in points],
        train_step,
        Expected(("fp16-overflow",), ("forward", "backward"), ("density",)),
    )
