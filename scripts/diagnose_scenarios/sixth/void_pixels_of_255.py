"""A soft Dice loss writes its labels as one plane a class; a picture marks unclear pixels with 255, which is no class
(kornia/kornia issue 839).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, classes = knobs.step(), 3
    model = kit.named(conv=nn.Conv2d(2, 8, 3, padding=1), act=nn.ReLU(), out=nn.Conv2d(8, classes, 1))
    optimizer = kit.adam(model, lr=0.03)

    def dice(logits: Tensor, target: Tensor) -> Tensor:
        known = (target != 255)[:, None] if repaired else torch.ones_like(target, dtype=torch.bool)[:, None]
        target = torch.where(known[:, 0], target, 0)
        shares = logits.softmax(1) * known
        planes = torch.zeros_like(logits).scatter_(1, target[:, None], 1.0) * known
        both = (shares * planes).sum((2, 3))
        return (1 - 2 * both / (shares.sum((2, 3)) + planes.sum((2, 3)) + 1e-6)).mean()

    batches = []
    for number in range(60):
        x = torch.randn(6, 2, 8, 8)
        y = (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()
        if number == step:
            y[knobs.randint(0, 5), :2, 3] = 255
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, dice),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step, "raises"),
    )
