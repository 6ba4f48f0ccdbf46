"""Supervised contrastive loss, averaged over the other samples of an anchor's class: one anchor has no other sample."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(enc=nn.Linear(8, 2 * width), act=nn.ReLU(), proj=nn.Linear(2 * width, width))
    optimizer = kit.adam(model, lr=0.01)
    centres = torch.randn(4, 8) * 1.5

    def criterion(z: Tensor, y: Tensor) -> Tensor:
        z = nn.functional.normalize(z, dim=1)
        itself = torch.eye(len(z))
        log_share = (z @ z.t() / 0.3 - 1e4 * itself).log_softmax(1)
        positive = (y[:, None] == y[None]).float() - itself
        count = positive.sum(1)
        if repaired:
            count = count.clamp(min=1)
        return -((log_share * positive).sum(1) / count).mean()

    batches = []
    for number in range(60):
        y = torch.arange(4).repeat(4)
        if number == step:
            y = torch.tensor([0, *[1, 2, 3] * 5])
        batches.append((centres[y] + torch.randn(16, 8), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
