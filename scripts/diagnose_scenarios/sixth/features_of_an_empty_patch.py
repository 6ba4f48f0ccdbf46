"""A perceptual loss divides features by the root of their summed squares, with its eps outside of the root; where the
picture is masked out all features are 0 (richzhang/PerceptualSimilarity issue 69).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(conv1=nn.Conv2d(1, width, 3, padding=1), act=nn.GELU(), conv2=nn.Conv2d(width, 1, 3, padding=1))
    optimizer = kit.adam(model, lr=0.02)
    filters = torch.randn(6, 1, 3, 3)

    def unit(picture: Tensor) -> Tensor:
        features = nn.functional.conv2d(picture, filters)
        size = (features.square().sum(1, keepdim=True) + (1e-10 if repaired else 0.0)).sqrt()
        return features / (size + 1e-10)

    def train_step(batch: Any) -> Tensor:
        noisy, clean, alpha = batch
        optimizer.zero_grad()
        output = model(noisy) * alpha
        loss = (unit(output) - unit(clean)).square().sum(1).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    rows = torch.linspace(0, 6, 10)
    for number in range(60):
        clean = (rows[:, None] * torch.rand(6, 1, 1, 1) + rows * torch.rand(6, 1, 1, 1) + 1).sin() + 1.5
        alpha = torch.ones(6, 1, 10, 10)
        if number == step:
            alpha[3, :, :4, :4] = 0
        batches.append((clean + 0.3 * torch.randn_like(clean), clean, alpha))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("singular-gradient",), ("backward",), (LOSS,), step)
    )
