"""The inputs hold NaN and infinity for missing readings; the first module replaces them and adds a flag."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Fill(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        missing = ~x.isfinite()
        return torch.cat([x.masked_fill(missing, 0.0), missing.float()], 1)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(fill=Fill(), inp=nn.Linear(16, knobs.pick(16, 20)), act=nn.ReLU())
    model.append(nn.Linear(model.inp.out_features, 3))
    optimizer = kit.sgd(model, lr=0.1)
    batches = kit.classes(60, 24, 8, 3)
    for x, _ in batches:
        x[torch.rand_like(x) < 0.1] = math.nan
        x[torch.rand_like(x) < 0.03] = math.inf
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
