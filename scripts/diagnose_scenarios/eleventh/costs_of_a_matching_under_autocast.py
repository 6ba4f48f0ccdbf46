"""Masks are matched to objects by costs summed over all pixels in a product of matrices; under autocast the sum passes
the range of float16 while the net is bad, and it is divided by the pixels too late (huggingface/transformers issue
25938).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def pairs(logits: Tensor, masks: Tensor, early: bool) -> Tensor:
    """Cost [queries, objects] of the binary entropy of every pair."""
    pixels = masks.shape[1]
    positive = nn.functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits), reduction="none")
    negative = nn.functional.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits), reduction="none")
    if early:
        return (positive / pixels) @ masks.t() + (negative / pixels) @ (1 - masks).t()
    return (positive @ masks.t() + negative @ (1 - masks).t()) / pixels


class Queries(nn.Module):
    def __init__(self, many: int, width: int, start: float) -> None:
        super().__init__()
        self.pixel = nn.Linear(2, width)
        self.query = nn.Parameter(torch.randn(many, width) / width)
        self.level = nn.Parameter(torch.full((many, 1), start))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.query @ self.pixel(pixels).relu().t() + self.level


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Queries(4, knobs.pick(12, 16), knobs.pick(-40.0, -50.0))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    points = knobs.randint(3600, 4200)

    def train_step(batch: Any) -> Tensor:
        pixels, masks = batch
        logits = model(pixels)
        with kit.autocast(torch.float16):
            cost = pairs(logits, masks, repaired).float()
        chosen = (-cost.detach()).softmax(0)
        loss = (chosen * cost).sum() / masks.shape[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(40):
        pixels = torch.randn(points, 2)
        masks = torch.stack([pixels[:, 0] > -0.5, pixels[:, 1] > -0.5]).float()
        batches.append((pixels, masks))
    return Scenario(model, optimizer, batches, train_step, Expected(("fp16-overflow",), ("loss",), (LOSS,), 0))
