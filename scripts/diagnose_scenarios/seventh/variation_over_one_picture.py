"""A discriminator appends the deviation over the batch to its features; a batch of one picture has none (as the
comments in pytorch/pytorch issue 4320 say of a dimension with one entry).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Variation(nn.Module):
    def __init__(self, unbiased: bool) -> None:
        super().__init__()
        self.unbiased = unbiased

    def forward(self, h: Tensor) -> Tensor:
        spread = (h.var(0, unbiased=self.unbiased) + 1e-8).sqrt().mean()
        return torch.cat([h, spread.expand(len(h), 1)], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(conv=nn.Conv2d(1, 4, 3), act=nn.LeakyReLU(0.2), flat=nn.Flatten(), fc=nn.Linear(64, width))
    model.add_module("stddev", Variation(not repaired))
    model.add_module("real", nn.Linear(width + 1, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005, betas=(0.5, 0.99))

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(p[:, 0], y.float())

    batches = [(x, y) for x, y in kit.images(50, 16, 1, 6, 2)]
    batches[step] = (batches[step][0][:1], batches[step][1][:1])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("batch-statistics",), ("forward",), ("stddev",), step),
    )
