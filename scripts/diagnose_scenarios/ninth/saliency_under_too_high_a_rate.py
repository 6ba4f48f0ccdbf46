"""A saliency net is trained from scratch on someone's own masks and its loss leaves all bounds; a smaller learning
rate fixes it (imatge-upc/salgan issue 9).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        enc1=nn.Conv2d(3, width, 3, padding=1),
        act1=nn.LeakyReLU(0.1),
        pool=nn.MaxPool2d(2),
        enc2=nn.Conv2d(width, width, 3, padding=1),
        act2=nn.LeakyReLU(0.1),
        up=nn.Upsample(scale_factor=2),
        dec=nn.Conv2d(width, 1, 3, padding=1),
    )
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.002 if repaired else knobs.pick(2.0, 3.0), momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(batch["picture"]), batch["mask"])
        loss.backward()
        optimizer.step()
        return loss

    mark = torch.randn(3)
    batches = []
    for _ in range(60):
        mask = torch.zeros(6, 1, 10, 10)
        for each in mask:
            top, left = knobs.randint(0, 5), knobs.randint(0, 5)
            each[0, top : top + 4, left : left + 4] = 1
        picture = 0.3 * torch.randn(6, 3, 10, 10) + mask * mark[:, None, None]
        batches.append({"picture": picture, "mask": mask})
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None, "diverges"))
