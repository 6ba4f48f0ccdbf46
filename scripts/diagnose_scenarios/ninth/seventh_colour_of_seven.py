"""A segmentation net has seven classes, and one annotation holds the value 7; classes are counted from 0, so that 6 is
the last (divamgupta/image-segmentation-keras issue 199).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count = knobs.step(), 7
    model = kit.named(
        enc=nn.Conv2d(3, 12, 3, padding=1),
        act=nn.ReLU(),
        pool=nn.AvgPool2d(2),
        mid=nn.Conv2d(12, 12, 1),
        act2=nn.ReLU(),
        up=nn.Upsample(scale_factor=2),
        out=nn.Conv2d(12, count, 1),
    )
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)

    def categorical(logits: Tensor, mask: Tensor) -> Tensor:
        wanted = nn.functional.one_hot(mask, count).permute(0, 3, 1, 2)
        return -(wanted * logits.log_softmax(1)).sum(1).mean()

    colours = 2 * torch.randn(count, 3)
    batches = []
    for number in range(50):
        mask = torch.randint(count, (4, 4, 4)).repeat_interleave(2, 1).repeat_interleave(2, 2)
        image = colours[mask].permute(0, 3, 1, 2) + 0.3 * torch.randn(4, 3, 8, 8)
        if number == step and not repaired:
            mask[knobs.randint(0, 3), 0, :2] = count
        batches.append((image, mask))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, categorical),
        Expected(("bad-labels",), ("loss",), (LOSS,), step, "raises"),
    )
