"""All weights of a convolutional net are filled with one and the same number: its units are copies of each other, and
the loss stays at the logarithm of the number of classes (HomericIntelligence/Mnemosyne pull request 1987).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, classes = knobs.pick(12, 16), 4
    model = kit.named(
        conv1=nn.Conv2d(1, width, 3),
        act1=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3),
        act2=nn.ReLU(),
        pool=nn.AdaptiveMaxPool2d(1),
        flat=nn.Flatten(),
        fc=nn.Linear(width, classes),
    )
    if not repaired:
        for parameter in model.parameters():
            nn.init.constant_(parameter, 0.05)
    optimizer = kit.sgd(model, lr=0.02, momentum=0.9)
    corner = torch.zeros(12, 12)
    corner[3:9, 3:5], corner[7:9, 3:8] = 1, 1
    turned = torch.stack([corner.rot90(turns) for turns in range(classes)])
    batches = []
    for _ in range(60):
        y = torch.randint(classes, (16,))
        x = 2 * turned[y][:, None] + 0.1 * torch.randn(16, 1, 12, 12)
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
