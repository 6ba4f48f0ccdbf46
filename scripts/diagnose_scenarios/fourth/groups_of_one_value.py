"""Group normalisation with a group for every channel, on maps of a single pixel: each value is its own mean, and
nothing is left.
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(
        conv=nn.Conv2d(3, width, 4),
        norm=nn.GroupNorm(2 if repaired else width, width),
        act=nn.SiLU(),
        flat=nn.Flatten(),
        head=nn.Linear(width, 3),
    )
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.images(60, 32, 3, 4, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), (), ("norm",), None, "stalls"),
    )
