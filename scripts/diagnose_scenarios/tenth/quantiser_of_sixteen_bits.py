"""A quantiser multiplies activations by 2^16 - 1 before it rounds them; at 8 bits that is harmless, at 16 bits every
activation above one is infinite in half precision (coldlarry/YOLOv3-complete-pruning issue 92).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Quantise(nn.Module):
    def __init__(self, bits: int) -> None:
        super().__init__()
        self.scale = 2**bits - 1

    def forward(self, x: Tensor) -> Tensor:
        steps = x * self.scale
        return (steps + (steps.round() - steps).detach()) / self.scale


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        conv=nn.Conv2d(3, knobs.pick(6, 8), 3, padding=1),
        act=nn.LeakyReLU(0.1),
        quantise=Quantise(8 if repaired else 16),
        pool=nn.AvgPool2d(4),
        flat=nn.Flatten(),
        head=nn.LazyLinear(3),
    )
    model(torch.zeros(1, 3, 8, 8))
    optimizer = kit.sgd(model, lr=0.1)
    return Scenario(
        model,
        optimizer,
        kit.images(50, 16, 3, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("quantise",), 0),
    )
