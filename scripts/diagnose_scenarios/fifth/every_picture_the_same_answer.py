"""A weight decay of ten and more at a rate of 0.05: the weights go to 0 and every picture gets the same answer
(BVLC/caffe issue 1396).
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    net = kit.named(
        conv1=nn.Conv2d(1, width, 3),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3),
        relu2=nn.ReLU(),
        flat=nn.Flatten(),
        joints=nn.Linear(width * 16, 4),
    )
    optimizer = kit.sgd(net, lr=0.05, momentum=0.5, weight_decay=5e-4 if repaired else knobs.pick(10.0, 12.0))
    return Scenario(
        net,
        optimizer,
        kit.images(60, 16, 1, 8, 4),
        kit.train(net, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), (), (), None, "stalls"),
    )
