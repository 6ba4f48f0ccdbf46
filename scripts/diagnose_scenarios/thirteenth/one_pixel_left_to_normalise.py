"""Instance norm after the last stride sees maps of a single pixel for the one small picture: torch raises."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(6, 8), knobs.randint(8, 20)
    model = kit.named(
        conv1=nn.Conv2d(2, width, 3, stride=2, padding=1),
        norm1=nn.InstanceNorm2d(width),
        act=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3, stride=2, padding=1),
        norm2=nn.InstanceNorm2d(width),
        mean=nn.AdaptiveMaxPool2d(1),
        flat=nn.Flatten(),
        head=nn.Linear(width, 3),
    )
    optimizer = kit.adam(model, lr=0.01)
    patterns = torch.randn(3, 2, 8, 8) * 1.5

    def picture(size: int) -> Any:
        y = torch.randint(3, (12,))
        return patterns[y][..., :size, :size] + 0.3 * torch.randn(12, 2, size, size), y

    return Scenario(
        model,
        optimizer,
        kit.at([picture(8) for _ in range(50)], step, picture(8 if repaired else 4)),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("norm2",), step, "raises"),
    )
