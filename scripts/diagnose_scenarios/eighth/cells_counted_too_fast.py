"""A one-class grid detector for microscope pictures diverges slowly, then all at once; the maintainer's cure is a
lower rate (MahmudulAlam/Automatic-Identification-and-Counting-of-Blood-Cells issue 15).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        conv1=nn.Conv2d(3, width, 3, padding=1),
        act1=nn.LeakyReLU(0.1),
        pool=nn.MaxPool2d(2),
        conv2=nn.Conv2d(width, width, 3, padding=1),
        act2=nn.LeakyReLU(0.1),
        grid=nn.Conv2d(width, 5, 1),
    )
    optimizer = kit.sgd(model, lr=0.05 if repaired else knobs.pick(2.0, 3.0))
    maps = torch.randn(4, 5, 6, 6)
    patterns = torch.randn(4, 3, 12, 12)
    chosen = [torch.randint(4, (12,)) for _ in range(60)]
    batches = [(patterns[i] + 0.3 * torch.randn(12, 3, 12, 12), maps[i]) for i in chosen]

    def criterion(found: Tensor, wanted: Tensor) -> Tensor:
        return ((found - wanted) ** 2).sum((1, 2, 3)).mean() / 36

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("learning-rate",), (), (), None),
    )
