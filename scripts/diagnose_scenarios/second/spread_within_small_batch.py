"""A layer that appends the standard deviation of the batch, as in StyleGAN's discriminator, meets a batch of one."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class MinibatchSpread(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        spread = x.std(0).mean()
        return torch.cat([x, spread.expand(len(x), 1)], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(enc=nn.Linear(8, width), spread=MinibatchSpread(), out=nn.Linear(width + 1, 3))
    optimizer = kit.sgd(model, lr=0.1)
    batches = kit.classes(50, 16, 8, 3)
    x, y = batches[step]
    rows = 4 if repaired else 1
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x[:rows], y[:rows])),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("spread",), step),
    )
