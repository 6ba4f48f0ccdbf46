"""A depth net compares an object's known height with the height of its mask in pixels, last row minus first; a mask of
a single row has height 0 (tensorflow/models issue 6392).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn

FOCAL = 8.0


def rows_of(mask: Tensor, extra: int) -> Tensor:
    """Height in pixels of every mask [batch, height, width]."""
    rows = mask.amax(2)
    numbers = torch.arange(rows.shape[1], dtype=torch.float32)
    last = (rows * numbers).amax(1)
    first = (numbers + (1 - rows) * 1000).amin(1)
    return last - first + extra


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(
        conv=nn.Conv2d(2, width, 3, padding=1), act=nn.ELU(), out=nn.Conv2d(width, 1, 1), positive=nn.Softplus()
    )
    optimizer = kit.adam(model, lr=0.02)
    extra = 1 if repaired else 0

    def train_step(batch: Any) -> Tensor:
        image, mask, depth = batch
        optimizer.zero_grad()
        found = model(image).squeeze(1)
        on_object = (found * mask).sum((1, 2)) / mask.sum((1, 2))
        expected = FOCAL / rows_of(mask, extra)
        loss = (found - depth).abs().mean() + 0.02 * ((on_object - expected) / expected.mean()).abs().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        mask = torch.zeros(8, 10, 10)
        for each in mask:
            top = knobs.randint(0, 4)
            each[top : top + knobs.randint(3, 6), 2:6] = 1
        if number == step:
            mask[knobs.randint(0, 7)] = torch.zeros(10, 10).index_fill(0, torch.tensor([4]), 1.0)
        depth = 1 + torch.rand(8, 1, 1).expand(8, 10, 10)
        image = torch.stack([depth + 0.05 * torch.randn(8, 10, 10), mask], 1)
        batches.append((image, mask, depth))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
