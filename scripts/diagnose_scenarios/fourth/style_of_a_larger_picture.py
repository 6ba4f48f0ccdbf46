"""Gram matrices of style features in float16: the products of all positions are added up before they are divided by
their number.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gram(nn.Module):
    def __init__(self, first_divide: bool) -> None:
        super().__init__()
        self.first_divide = first_divide

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(2)
        count = rows.shape[-1]
        if self.first_divide:
            return torch.bmm(rows / count, rows.transpose(1, 2))
        return torch.bmm(rows, rows.transpose(1, 2)) / count


def pictures(count: int, batch: int, size: int, colours: Tensor) -> kit.Batches:
    labels = [torch.randint(len(colours), (batch,)) for _ in range(count)]
    return [(colours[y] * (1 + 0.1 * torch.randn(batch, 3, size, size)), y) for y in labels]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(4, 5)
    features = nn.Conv2d(3, width, 1)
    with torch.no_grad():
        features.weight.uniform_(0.25, 0.45)
    features.requires_grad_(False)
    model = kit.named(
        features=features,
        gram=Gram(repaired),
        flat=nn.Flatten(),
        norm=nn.LayerNorm(width * width),
        head=nn.Linear(width * width, 3),
    )
    optimizer = kit.adam(model, lr=0.03)
    colours = 14 + 8 * torch.rand(3, 3, 1, 1)
    large = knobs.pick(24, 28)
    batches = pictures(step, 8, 8, colours) + pictures(50 - step, 8, large, colours)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("gram",), step),
    )
