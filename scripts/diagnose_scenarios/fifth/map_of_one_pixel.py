"""EvoNorm takes the unbiased variance over a picture's pixels; after all the strides a small picture is a single pixel
(digantamisra98/EvoNorm pull request 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class EvoNormB0(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, width, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.v = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        batch_std = (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
        instance_std = (x.var((2, 3), keepdim=True) + 1e-5).sqrt()
        return x / torch.max(batch_std, self.v * x + instance_std) * self.gamma + self.beta


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.evo = EvoNormB0(width)
        self.fc = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.evo(self.conv2(self.conv1(x).relu())).mean((2, 3)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Net(knobs.pick(8, 10))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    batches = []
    for number in range(60):
        side = 4 if number == step and not repaired else knobs.pick(8, 12)
        y = torch.randint(3, (16,))
        wave = torch.arange(side) * torch.tensor([1.0, 2.0, 3.0])[y][:, None]
        x = wave.cos()[:, None, None] + 0.3 * torch.randn(16, 1, side, side)
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("evo",), step),
    )
