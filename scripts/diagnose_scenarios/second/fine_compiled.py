"""A compiled model whose backend does what it should."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = kit.mlp(8, knobs.pick(16, 24), 1)
    model = torch.compile(plain, backend="eager")
    optimizer = kit.adam(plain)
    return Scenario(model, optimizer, kit.regression(60, 16, 8), kit.train(model, optimizer, kit.squares))
