"""A Dice loss counts the pixels of large masks in float16: more than 65504 of them, infinity divided by infinity."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    side = knobs.pick(160, 164)
    model = kit.named(conv=nn.Conv2d(1, 2, 1), act=nn.Tanh(), head=nn.Conv2d(2, 1, 1))
    nn.init.ones_(model.head.bias)
    optimizer = kit.adam(model, lr=0.05)
    kind = torch.float32 if repaired else torch.float16

    def dice(logits: Tensor, mask: Tensor) -> Tensor:
        p, t = logits.sigmoid().to(kind), mask.to(kind)
        return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)

    masks = [(torch.rand(3, 1, side, side) < 0.93).float() for _ in range(10)]
    return Scenario(
        model,
        optimizer,
        [(mask * 2 - 1 + 0.2 * torch.randn_like(mask), mask) for mask in masks],
        kit.train(model, optimizer, dice, amp=torch.float16),
        Expected(("fp16-overflow",), ("loss",), (LOSS,)),
    )
