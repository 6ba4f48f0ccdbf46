"""A pre-trained net's BatchNorm is kept in eval mode, and the batches are single pictures of one pixel by then."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        conv=nn.Conv2d(3, width, 4),
        bn=nn.BatchNorm2d(width),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.Linear(width, 2),
    )
    model.bn.running_var.fill_(20.0)
    model.bn.eval()
    optimizer = kit.sgd(model, lr=0.03)
    return Scenario(model, optimizer, kit.images(80, 1, 3, 4, 2), kit.train(model, optimizer, kit.cross_entropy))
