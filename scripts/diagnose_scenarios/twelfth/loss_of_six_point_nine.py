"""A net for a thousand classes stays at the loss of guessing in half and learns in single; without a scale the
gradients of the first layers are nothing (NVIDIA/apex issue 43).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, kinds = knobs.pick(12, 16), 8
    model = kit.named(
        conv=nn.Conv2d(2, width, 3, padding=1),
        act=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        mid=nn.Linear(4 * width, width),
        act2=nn.ReLU(),
        fc=nn.Linear(width, kinds),
    )
    with torch.no_grad():
        # The usual small start of the last layer, and a batch shared by very many cards.
        model.fc.weight.mul_(0.01)
        model.fc.bias.zero_()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, eps=1e-12)
    shards = knobs.pick(4e5, 6e5)
    scale = 2.0**17 if repaired else 1.0

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        with kit.autocast(torch.float16):
            logits = model(x)
        loss = kit.cross_entropy(logits, y)
        optimizer.zero_grad()
        (loss / shards * scale).backward()
        for weight in model.parameters():
            weight.grad.div_(scale)
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.images(50, 64, 2, 4, kinds),
        train_step,
        Expected(("gradient-underflow",), ("backward",), (), 0, "stalls"),
    )
