"""The opacity of a splat is corrected by a ratio of products of its three squared sizes; for the minute splats of a
dense scan the product is zero in float32 although no size is, and the gradients of the sizes are no numbers
(ArthurBrussee/brush pull request 522).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Filter(nn.Module):
    def __init__(self, floor: float, apart: bool) -> None:
        super().__init__()
        self.floor, self.apart = floor, apart

    def forward(self, size: Tensor) -> Tensor:
        square = size.square()
        wide = square + self.floor
        if self.apart:
            return (square / wide).sqrt().prod(-1)
        return (square.prod(-1) / wide.prod(-1)).sqrt()


class Splats(nn.Module):
    def __init__(self, size: Tensor, floor: float, apart: bool) -> None:
        super().__init__()
        many = len(size)
        self.log_scales = nn.Parameter(size.log())
        self.opacity = nn.Parameter(torch.zeros(many))
        self.colour = nn.Parameter(torch.randn(many))
        self.filter3d = Filter(floor, apart)

    def forward(self, weight: Tensor) -> Tensor:
        seen = self.opacity.sigmoid() * self.filter3d(self.log_scales.exp())
        return weight @ (seen * self.colour)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    many = knobs.pick(30, 40)
    size = 0.05 + 0.05 * torch.rand(many, 3)
    size[: knobs.randint(1, 4)] = knobs.pick(1e-8, 3e-9)
    model = Splats(size, 1e-4, repaired)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    teacher = torch.randn(many) * 0.5

    def train_step(batch: Any) -> Tensor:
        weight, pixel = batch
        loss = (model(weight) - pixel).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    weights = [torch.rand(64, many) * (torch.rand(64, many) < 0.3) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(weight, weight @ teacher) for weight in weights],
        train_step,
        Expected(("underflow",), ("forward", "backward"), ("filter3d",), 0),
    )
