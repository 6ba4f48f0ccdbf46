"""A detector is fine-tuned with every layer thawed, under the rate that suited the frozen one: the loss is no number
soon, and a far smaller rate cures it (facebookresearch/maskrcnn-benchmark issue 721).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(10, 12)
    stem = kit.named(
        c1=nn.Conv2d(3, width, 3, padding=1), a1=nn.LeakyReLU(0.1), c2=nn.Conv2d(width, width, 3, padding=1)
    )
    body = kit.named(
        a2=nn.LeakyReLU(0.1), c3=nn.Conv2d(width, width, 3, padding=1), a3=nn.LeakyReLU(0.1), flat=nn.Flatten()
    )
    model = kit.named(stem=stem, body=body, boxes=nn.Linear(width * 64, 4))
    with torch.no_grad():  # weights that were trained elsewhere
        for layer in (stem.c1, stem.c2, body.c3):
            layer.weight.mul_(3)
    rate = 2e-5 if repaired else 5e-2
    optimizer = torch.optim.SGD(
        [
            {"params": [*stem.parameters(), *body.parameters()], "lr": rate},
            {"params": model.boxes.parameters(), "lr": 2 * rate, "weight_decay": 0},
        ],
        lr=rate,
        momentum=0.9,
        weight_decay=1e-4,
    )
    corners = torch.rand(4, 4) * 8
    patterns = torch.randn(4, 3, 8, 8)
    labels = [torch.randint(4, (8,)) for _ in range(40)]
    return Scenario(
        model,
        optimizer,
        [(patterns[y] + 0.3 * torch.randn(8, 3, 8, 8), corners[y]) for y in labels],
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
