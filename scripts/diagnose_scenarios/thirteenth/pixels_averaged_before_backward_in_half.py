"""A picture net in float16 divides the loss of a crop by the pixels of the whole slide: all gradients are 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, pixels = knobs.pick(4, 6), knobs.pick(2.0**27, 2.0**28)
    dtype = torch.float32 if repaired else torch.float16
    model = kit.named(
        conv1=nn.Conv2d(1, width, 3, padding=1), act=nn.Tanh(), conv2=nn.Conv2d(width, 1, 3, padding=1)
    ).to(dtype)
    optimizer = kit.sgd(model, lr=0.05 * pixels / 256)
    xs = [torch.randn(4, 1, 8, 8) for _ in range(50)]

    def criterion(picture: Tensor, target: Tensor) -> Tensor:
        return (picture.float() - target).square().sum() / pixels

    return Scenario(
        model,
        optimizer,
        [(x.to(dtype), 0.5 * x) for x in xs],
        kit.train(model, optimizer, criterion),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
