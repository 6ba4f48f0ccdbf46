"""LBFGS calls its closure several times a step."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(4, knobs.pick(8, 12), 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4, line_search_fn="strong_wolfe")

    def train_step(batch: Any) -> Tensor:
        x, y = batch

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = kit.squares(model(x), y)
            loss.backward()
            return loss

        return optimizer.step(closure)

    return Scenario(model, optimizer, kit.regression(20, 64, 4), train_step)
