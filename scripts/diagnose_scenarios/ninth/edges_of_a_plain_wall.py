"""Edges of a picture are the root of two squared Sobel responses; on a plain wall both are 0, and the root sends NaN
back (chaddy1004/sobel-operator-pytorch issue 1).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sobel(nn.Module):
    def __init__(self, small: float) -> None:
        super().__init__()
        across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        self.register_buffer("kernels", torch.stack([across, across.t()])[:, None])
        self.small = small

    def forward(self, x: Tensor) -> Tensor:
        slopes = nn.functional.conv2d(x, self.kernels)
        return torch.sqrt(slopes.square().sum(1, keepdim=True) + self.small)


class Sharpener(nn.Module):
    def __init__(self, width: int, small: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.out = nn.Conv2d(width, 1, 1, bias=False)
        self.sobel = Sobel(small)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        sharp = x + self.out(self.conv(x).relu())
        return sharp, self.sobel(sharp)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Sharpener(knobs.pick(8, 10), 1e-8 if repaired else 0.0)
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.005)

    def train_step(batch: Any) -> Tensor:
        dull, sharp, edges = batch
        optimizer.zero_grad()
        found, found_edges = model(dull)
        loss = nn.functional.l1_loss(found, sharp) + 0.2 * nn.functional.l1_loss(found_edges, edges)
        loss.backward()
        optimizer.step()
        return loss

    truth = Sobel(0.0)
    batches = []
    for number in range(50):
        sharp = torch.randn(6, 1, 8, 8)
        if number == step:
            sharp[2] = 0.0
        dull = 0.4 * sharp
        batches.append((dull, sharp, truth(sharp)))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("backward",), ("sobel",), step),
    )
