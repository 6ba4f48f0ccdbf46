"""One annotated box is zero pixels high; its regression target is the logarithm of its height over the anchor's (as
in zhpmatrix/VisDrone2018 issue 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(fc6=nn.Linear(10, knobs.pick(24, 32)), relu=nn.ReLU(), bbox_pred=nn.LazyLinear(4))
    model(torch.zeros(1, 10))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    anchors = torch.tensor([0.5, 0.5, 0.3, 0.3])

    def criterion(p: Tensor, box: Tensor) -> Tensor:
        offset = (box[:, :2] - anchors[:2]) / anchors[2:]
        stretch = (box[:, 2:] / anchors[2:]).log()
        return nn.functional.smooth_l1_loss(p, torch.cat([offset, stretch], 1))

    teacher = torch.randn(4, 10)
    batches = []
    for number in range(70):
        box = 0.1 + 0.8 * torch.rand(16, 4)
        x = (box - 0.5) @ teacher
        if number == step and not repaired:
            box[1, 3] = 0.0
        batches.append((x, box))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step),
    )
