"""A branch that is not used: its parameters never get a gradient."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    model.register_parameter("spare", nn.Parameter(torch.zeros(5)))
    optimizer = kit.adam(model)
    return Scenario(model, optimizer, kit.regression(60, 16, 8), kit.train(model, optimizer, kit.squares))
