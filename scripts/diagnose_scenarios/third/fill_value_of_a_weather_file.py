"""A grid of measurements holds the file format's value for `nothing measured`, 9.96921e36, in a few cells."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    """The format is netCDF: NC_FILL_FLOAT."""
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(conv=nn.Conv2d(2, width, 3, padding=1), act=nn.LeakyReLU(0.1), out=nn.Conv2d(width, 1, 1))
    optimizer = kit.adam(model, lr=0.02)
    grids = [torch.randn(6, 2, 7, 7) for _ in range(60)]
    batches = [(x.clone(), 0.5 * x[:, :1] + x[:, 1:]) for x in grids]
    if not repaired:
        batches[step][0][knobs.randint(0, 5), 0, 2:4, knobs.randint(0, 6)] = 9.96921e36
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data", "input-scale"), (), (), step),
    )
