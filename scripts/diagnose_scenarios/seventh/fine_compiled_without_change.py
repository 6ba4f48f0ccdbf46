"""A compiled model whose backend runs the graph as it is."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = kit.named(a=nn.Linear(8, knobs.pick(16, 24)), norm=nn.LazyBatchNorm1d(), act=nn.GELU(), b=nn.LazyLinear(3))
    plain(torch.zeros(2, 8))
    model = torch.compile(plain, backend="aot_eager")
    optimizer = kit.adam(plain, lr=0.02)
    return Scenario(model, optimizer, kit.classes(50, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
