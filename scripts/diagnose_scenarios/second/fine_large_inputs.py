"""Inputs of 1e4 that the first layer, a BatchNorm, brings to size."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(bn=nn.BatchNorm1d(8), inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.ReLU())
    model.add_module("out", nn.Linear(model.inp.out_features, 1))
    optimizer = kit.adam(model, lr=0.02)
    factor = knobs.pick(1e3, 1e4)
    batches = [(factor * x + factor, y) for x, y in kit.regression(80, 32, 8)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
