"""A finetuned net keeps the batch statistics of its pretraining and takes one sample at a time."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(fc=nn.Linear(6, width), bn=nn.BatchNorm1d(width), act=nn.ReLU(), head=nn.Linear(width, 3))
    model.bn.eval()
    optimizer = kit.sgd(model, lr=0.05)
    return Scenario(model, optimizer, kit.classes(150, 1, 6, 3), kit.train(model, optimizer, kit.cross_entropy))
