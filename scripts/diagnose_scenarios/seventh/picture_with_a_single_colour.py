"""The loader stretches every picture to its own range, and one picture has a single colour: 0 / 0 before the training
sees it (as in avalonstrel/GatedConvolution_pytorch issue 27).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def stretched(pictures: Tensor) -> Tensor:
    low, high = pictures.amin((1, 2, 3), keepdim=True), pictures.amax((1, 2, 3), keepdim=True)
    return 2 * (pictures - low) / (high - low) - 1


class Gated(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.feature = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.gate = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.elu(self.feature(x)) * self.gate(x).sigmoid()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(g1=Gated(1, knobs.pick(8, 10)), g2=nn.LazyConv2d(1, 3, padding=1))
    model(torch.zeros(1, 1, 8, 8))
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number in range(60):
        pictures = torch.randint(0, 256, (8, 1, 8, 8)).float()
        if number == step and not repaired:
            pictures[3] = 255.0
        x = stretched(pictures)
        mask = (torch.rand_like(x) < 0.8).float()
        batches.append((x * mask, x))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data",), (), step),
    )
