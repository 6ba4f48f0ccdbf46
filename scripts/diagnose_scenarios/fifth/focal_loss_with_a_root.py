"""A focal loss with gamma 0.5: for a certain and right answer 1 - p is 0, whose square root has no finite slope
(kornia/kornia issue 918, kaidic/LDAM-DRW issue 17).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count, gamma = knobs.step(), knobs.pick(3, 4), 0.5
    model = kit.mlp(6, knobs.pick(16, 24), count)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    eps = 1e-6 if repaired else 0.0

    def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
        ce = nn.functional.cross_entropy(logits, target, reduction="none")
        p = torch.exp(-ce)
        return ((1 - p + eps) ** gamma * ce).mean()

    centres = torch.randn(count, 6) * 1.5
    batches = []
    for number in range(60):
        y = torch.randint(count, (24,))
        x = centres[y] + torch.randn(24, 6)
        if number >= step:
            x[:3] = 60 * centres[y[:3]]
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, focal_loss, clip=2.0),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
