"""Features of 1e5 were stored as float16 on disk: they come back infinite, in a batch of named fields."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(6, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.02)
    plain = kit.train(model, optimizer, kit.squares)
    batches = kit.regression(60, 16, 6)
    batches[step][0][3, 2] = 30.0 if repaired else 1e5
    return Scenario(
        model,
        optimizer,
        [{"features": x.half(), "ids": torch.arange(16), "y": y} for x, y in batches],
        lambda batch: plain((batch["features"].float(), batch["y"])),
        Expected(("bad-data",), ("data",), (), step),
    )
