"""The mean of each class of a batch; one batch lacks a class."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count = knobs.step(), knobs.pick(3, 4)
    model = kit.named(enc=nn.Linear(8, 16), act=nn.Tanh(), emb=nn.Linear(16, 6))
    optimizer = kit.adam(model, lr=0.02)

    def criterion(z: Tensor, y: Tensor) -> Tensor:
        hot = nn.functional.one_hot(y, count).float()
        sizes = hot.sum(0)[:, None]
        centres = (hot.t() @ z) / (sizes.clamp(min=1) if repaired else sizes)
        return nn.functional.cross_entropy(-(z[:, None] - centres[None]).square().sum(-1), y)

    batches = kit.classes(60, 24, 8, count)
    batches = [(x, torch.cat([torch.arange(count), y[count:]])) for x, y in batches]
    centres = torch.randn(count, 8)
    batches = [(centres[y] + 0.5 * torch.randn(24, 8), y) for _, y in batches]
    batches[step][1][batches[step][1] == count - 1] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
