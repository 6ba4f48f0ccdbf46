"""Inputs of a million, in the units of the instrument, go through a batch norm first: no layer sees them as they
are.
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    columns, unit = knobs.pick(5, 7), knobs.pick(1e6, 3e7)
    model = kit.named(
        scale=nn.BatchNorm1d(columns, affine=False), inp=nn.Linear(columns, 16), act=nn.ELU(), head=nn.Linear(16, 3)
    )
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        [(unit * x, y) for x, y in kit.classes(60, 24, columns, 3)],
        kit.train(model, optimizer, kit.cross_entropy),
    )
