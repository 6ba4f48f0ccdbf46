"""A convolution over many dimensions makes its bias without filling it, and it holds whatever the memory held before;
with noughts there the net trains (pvjosue/pytorch_convNd pull request 6).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ConvNd(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, channels, 3, 3) / (9 * channels) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.weight, padding=1) + self.bias[:, None, None]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = kit.named(conv=ConvNd(2, width), act=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(2), flat=nn.Flatten())
    model.add_module("head", nn.Linear(4 * width, 3))
    if not repaired:
        with torch.no_grad():
            left = torch.tensor([knobs.pick(float("inf"), float("nan")), 0.0, 1.4e-42])
            model.conv.bias.copy_(left.repeat(width)[:width])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.images(45, 16, 2, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), ("forward",), ("conv",), 0),
    )
