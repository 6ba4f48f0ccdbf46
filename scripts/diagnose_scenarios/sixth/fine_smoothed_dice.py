"""A Dice loss with its smoothing term: many pictures hold nothing at all, and some batches none that does
(jocpae/clDice issue 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(conv=nn.Conv2d(2, 8, 3, padding=1), act=nn.ReLU(), out=nn.Conv2d(8, 1, 1))
    optimizer = kit.adam(model, lr=0.03)

    def dice(logits: Tensor, mask: Tensor) -> Tensor:
        share = logits.sigmoid().flatten(1)
        mask = mask.flatten(1)
        return (1 - (2 * (share * mask).sum(1) + 1) / (share.sum(1) + mask.sum(1) + 1)).mean()

    batches = []
    for number in range(60):
        x = torch.randn(6, 2, 8, 8)
        empty = torch.rand(6) < (1.0 if number % 9 == knobs.pick(2, 3) else 0.3)
        x[empty, 0] -= 6
        batches.append((x, (x[:, :1] > 0.3).float()))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, dice))
