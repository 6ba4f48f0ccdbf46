"""A focal loss is divided by the positive labels of the batch; with the few volumes that fit on a card and a rare class
there are batches that hold no positive (richardaecn/class-balanced-loss issue 16).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def focal(logits: Tensor, labels: Tensor, alpha: float, gamma: float, least: float) -> Tensor:
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    modulator = torch.exp(-gamma * labels * logits - gamma * torch.log1p(torch.exp(-logits)))
    weighted = (alpha * modulator * entropy).sum()
    return weighted / labels.sum().clamp(min=least)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(4, 6), knobs.randint(10, 30)
    model = kit.named(
        conv=nn.Conv3d(1, width, 3, padding=1),
        act=nn.SiLU(),
        pool=nn.AdaptiveMaxPool3d(1),
        flat=nn.Flatten(),
        head=nn.Linear(width, 2),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    gamma = knobs.pick(1.0, 2.0)
    batches = []
    for number in range(50):
        labels = (torch.rand(3, 2) < 0.4).float()
        labels[0, number % 2] = 1.0
        if number == step:
            labels.zero_()
        volume = 0.3 * torch.randn(3, 1, 5, 5, 5)
        volume[:, 0, 2, 2, 2] += 3 * labels[:, 0]
        volume[:, 0, 3, 3, 1:3] -= 3 * labels[:, 1:]
        batches.append((volume, labels))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda z, y: focal(z, y, 0.5, gamma, 1.0 if repaired else 0.0)),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
