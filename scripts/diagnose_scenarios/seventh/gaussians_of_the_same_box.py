"""The distance of two boxes as Gaussians ends in a root of what is zero for equal boxes (as in open-mmlab/mmrotate
issue 205).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    model = kit.named(neck=nn.Linear(4, width), act=nn.ReLU(), reg=nn.Linear(width, 4))
    nn.init.zeros_(model.neck.bias)
    nn.init.zeros_(model.reg.bias)
    model.neck.bias.requires_grad_(False)
    model.reg.bias.requires_grad_(False)
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)

    def wasserstein(offset: Tensor, y: Tensor) -> Tensor:
        """Boxes as offsets from anchors; the sides are logarithms."""
        centre = (offset[:, :2] - y[:, :2]).square().sum(1)
        shape = (offset[:, 2:].exp() - y[:, 2:].exp()).square().sum(1) / 4
        distance = centre + shape
        return (distance.clamp(min=1e-7) if repaired else distance).sqrt().mean()

    batches = []
    for number in range(80):
        x = 0.5 * torch.randn(16, 4)
        if number == step:
            x[7] = 0.0
        batches.append((x, x.flip(1)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, wasserstein),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
