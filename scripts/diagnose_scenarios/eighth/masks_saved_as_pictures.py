"""Masks of a segmentation net were saved with 0 and 255 and go into the binary cross entropy as they are; the loss
falls below zero and on to minus infinity (milesial/Pytorch-UNet issue 65).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        inc=nn.Conv2d(1, width, 3, padding=1),
        act1=nn.ReLU(),
        mid=nn.Conv2d(width, width, 3, padding=1),
        act2=nn.ReLU(),
        outc=nn.Conv2d(width, 1, 1),
    )
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    white = 1.0 if repaired else 255.0
    pictures = [torch.randn(8, 1, 10, 10) for _ in range(60)]
    batches = [(x, white * (x > 0).float()) for x in pictures]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.binary_cross_entropy_with_logits),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), None),
    )
