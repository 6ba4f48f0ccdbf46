"""A segmentation loss is summed over the pixels, the learning rate was chosen for their mean (as in
wkentaro/pytorch-fcn issue 17: the rate has to follow the loss).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, size = knobs.pick(6, 8), 12
    model = kit.named(
        conv1=nn.Conv2d(1, width, 3, padding=1),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3, padding=1),
        relu2=nn.ReLU(),
        score=nn.Conv2d(width, 1, 1),
    )
    optimizer = kit.sgd(model, lr=1e-5 if repaired else knobs.pick(0.02, 0.05), momentum=0.9)

    def summed(p: Tensor, y: Tensor) -> Tensor:
        return (p - y).square().sum()

    xs = [torch.randn(8, 1, size, size) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x, 1 + nn.functional.avg_pool2d(x, 3, 1, 1)) for x in xs],
        kit.train(model, optimizer, summed),
        Expected(("learning-rate",), (), (), None),
    )
