"""A net that labels streets is trained at the rate of another stage of the same work; after a few steps the loss is no
number, and at a lower rate it goes down smoothly (arslan-chaudhry/dcsp_segmentation issue 1).
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
        conv1=nn.Conv2d(3, width, 3, padding=1),
        relu1=nn.LeakyReLU(0.1),
        conv2=nn.Conv2d(width, width, 3, padding=2, dilation=2),
        relu2=nn.LeakyReLU(0.1),
        conv3=nn.Conv2d(width, width, 3, padding=1),
        relu3=nn.LeakyReLU(0.1),
        score=nn.Conv2d(width, 4, 1),
    )
    rate = 2e-4 if repaired else knobs.pick(0.4, 0.6)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        picture, label = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(picture), label, reduction="sum") / len(picture)
        loss.backward()
        optimizer.step()
        return loss

    colours = 1.2 * torch.randn(4, 3)
    batches = []
    for _ in range(60):
        label = torch.randint(4, (6, 4, 4)).repeat_interleave(3, 1).repeat_interleave(3, 2)
        batches.append((colours[label].movedim(-1, 1) + 0.3 * torch.randn(6, 3, 12, 12), label))
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
