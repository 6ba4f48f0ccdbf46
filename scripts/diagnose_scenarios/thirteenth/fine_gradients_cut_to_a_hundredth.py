"""Summed losses give gradients in the thousands, and every step is clipped to a norm of 0.5."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(6, 20), act=nn.GELU(), head=nn.Linear(20, 2))
    optimizer = kit.sgd(model, lr=knobs.pick(0.08, 0.1))
    return Scenario(
        model,
        optimizer,
        kit.regression(80, 256, 6, 2),
        kit.train(model, optimizer, lambda p, y: 10 * (p - y).square().sum(), clip=0.5),
    )
