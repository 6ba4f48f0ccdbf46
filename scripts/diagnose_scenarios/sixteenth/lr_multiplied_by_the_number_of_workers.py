"""The linear scaling rule multiplies a sound rate of 0.02 by 1024 workers although one machine trains."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, workers = knobs.pick(6, 8), 1 if repaired else knobs.pick(1024, 2048)
    model = kit.named(conv=nn.Conv2d(1, width, 3), act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(width * 16, 2))
    optimizer = kit.sgd(model, lr=0.02 * workers, momentum=0.9)
    centre = torch.randn(2, 1, 6, 6)
    xs = [torch.randn(12, 1, 6, 6) for _ in range(50)]
    batches = [(x, (x[:, None] * centre).mean((2, 3, 4)) * 4) for x in xs]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
