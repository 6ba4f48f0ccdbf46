"""The log spectrum of digital silence is minus infinity."""

from __future__ import annotations

import math

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, bands = knobs.step(), knobs.pick(8, 12)
    model = kit.named(inp=nn.Linear(bands, 16), act=nn.ReLU(), out=nn.Linear(16, 3))
    optimizer = kit.adam(model, lr=0.02)
    batches = kit.classes(60, 16, bands, 3)
    power = [(x.exp(), y) for x, y in batches]
    power[step][0][knobs.randint(0, 15)] = 0
    floor = 1e-10 if repaired else 0.0
    return Scenario(
        model,
        optimizer,
        [((p + floor).log().clamp(min=-9.0 if repaired else -math.inf), y) for p, y in power],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("bad-data",), ("data",), (), step),
    )
