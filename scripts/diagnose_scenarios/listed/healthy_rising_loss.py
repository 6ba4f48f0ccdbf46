"""A loss that rightly rises: the data get harder while the training goes on."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model)
    noise = knobs.pick(0.05, 0.08)
    batches = [(x, y + noise * step * torch.randn_like(y)) for step, (x, y) in enumerate(kit.regression(60, 16, 8))]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares), learns=False)
