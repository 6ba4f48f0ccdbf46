"""Batch norm trains on batches of two rows, and every fifth step uses the running statistics instead."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(5, width), bn=nn.BatchNorm1d(width), act=nn.ReLU(), head=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.01)
    done = [0]
    ordinary = kit.train(model, optimizer, kit.squares)

    def train_step(batch: Any) -> Tensor:
        model.bn.train(done[0] % 5 != 4)
        done[0] += 1
        return ordinary(batch)

    return Scenario(model, optimizer, [(x, y + 3) for x, y in kit.regression(120, 2, 5)], train_step)
