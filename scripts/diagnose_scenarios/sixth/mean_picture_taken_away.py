"""A fine-tuned picture net subtracts the mean pixel and forgets to divide: inputs between -128 and 128 at a rate that
was chosen for -0.5 to 0.5 (kratzert/finetune_alexnet_with_tensorflow issue 79).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        conv1=nn.Conv2d(3, 8, 5, stride=2),
        act1=nn.LeakyReLU(0.1),
        conv2=nn.Conv2d(8, 8, 3),
        act2=nn.LeakyReLU(0.1),
        flat=nn.Flatten(),
        fc7=nn.Linear(72, 24),
        act3=nn.LeakyReLU(0.1),
        fc8=nn.Linear(24, 1),
    )
    optimizer = kit.sgd(model, lr=knobs.pick(0.03, 0.04), momentum=0.9)
    mean = torch.tensor([103.0, 116.0, 123.0]).view(3, 1, 1)
    pattern = torch.rand(3, 13, 13) - 0.5
    batches = []
    for _ in range(60):
        share = torch.rand(16, 1)
        picture = 128 + 110 * (share.view(-1, 1, 1, 1) * pattern * 1.6 + 0.2 * (torch.rand(16, 3, 13, 13) - 0.5))
        batches.append(((picture.round() - mean) / (128 if repaired else 1), share * 3 - 1.5))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
