"""Batches of one large picture under group normalisation, where batch normalisation could not work (yassouali/pytorch-
segmentation issue 8, another norm).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        conv=nn.Conv2d(2, 8, 3, padding=1),
        norm=nn.GroupNorm(2, 8),
        act=nn.SiLU(),
        out=nn.Conv2d(8, 2, 1),
    )
    optimizer = kit.sgd(model, lr=knobs.pick(0.1, 0.2), momentum=0.9)
    pictures = [torch.randn(1, 2, 14, 14) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x, (x[:, 0] > x[:, 1]).long()) for x in pictures],
        kit.train(model, optimizer, nn.functional.cross_entropy),
    )
