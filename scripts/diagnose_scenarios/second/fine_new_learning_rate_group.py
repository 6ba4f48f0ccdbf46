"""The backbone is frozen at first and joins the optimizer half-way."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    model.inp.requires_grad_(False)
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.05)
    plain, count = kit.train(model, optimizer, kit.squares), [0]

    def train_step(batch: Any) -> Tensor:
        if count[0] == 30:
            model.inp.requires_grad_(True)
            optimizer.add_param_group({"params": list(model.inp.parameters()), "lr": 0.02})
        count[0] += 1
        return plain(batch)

    return Scenario(model, optimizer, kit.regression(60, 16, 8), train_step)
