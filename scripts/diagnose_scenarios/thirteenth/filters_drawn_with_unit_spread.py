"""Nine convolutions with weights from N(0, 1) instead of N(0, 2 / fan-in): the activations leave float16."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    layers = []
    for number in range(9):
        layer = nn.Conv2d(2 if number == 0 else width, width, 3, padding=1)
        if repaired:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        else:
            nn.init.normal_(layer.weight)
        layers += [layer, nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = kit.named(body=nn.Sequential(*layers), head=nn.Linear(width, 3))
    optimizer = kit.adam(model, lr=0.003)
    colours = torch.randn(3, 2, 1, 1)
    batches = []
    for _ in range(40):
        y = torch.randint(3, (12,))
        batches.append((colours[y] + 0.2 * torch.randn(12, 2, 5, 5), y))
    amp = torch.float16
    place = kit.first_overflow(model, batches[0][0], amp)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16 if repaired else amp),
        Expected(("initialisation",), ("forward",), (place,)),
    )
