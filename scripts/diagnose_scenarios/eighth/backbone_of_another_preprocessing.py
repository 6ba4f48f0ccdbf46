"""Pictures arrive as -128 to 128, where the layers and their rate were tuned on -1 to 1 (facebookresearch/Detectron
issue 868).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        conv1=nn.Conv2d(3, width, 3, stride=2),
        act1=nn.LeakyReLU(),
        conv2=nn.Conv2d(width, width, 3),
        act2=nn.LeakyReLU(),
        flat=nn.Flatten(),
        head=nn.LazyLinear(4),
    )
    model(torch.zeros(1, 3, 12, 12))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    most = 1.0 if repaired else 128.0
    boxes = torch.rand(4, 4)
    patterns = (torch.randn(4, 3, 12, 12) / 2).clamp(-1, 1)
    labels = [torch.randint(4, (16,)) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(most * (patterns[y] + 0.1 * torch.randn(16, 3, 12, 12)).clamp(-1, 1), boxes[y]) for y in labels],
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
