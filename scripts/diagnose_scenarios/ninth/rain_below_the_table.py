"""Rain is stored in eight bits and looked up in a table of rates, whose logarithm is the input; where the table says 0
the logarithm is minus infinity (MeteoSwiss/ldcast issue 7).
"""

from __future__ import annotations

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 10)
    model = kit.named(
        enc=nn.Conv2d(1, width, 3, stride=2, padding=1),
        act=nn.SiLU(),
        dec=nn.ConvTranspose2d(width, width, 2, stride=2),
        act2=nn.SiLU(),
        out=nn.Conv2d(width, 1, 3, padding=1),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, betas=(0.5, 0.9))
    table = np.concatenate([[0.0], np.geomspace(0.05, 118.0, 255)])
    with np.errstate(divide="ignore"):
        logs = np.log10(np.maximum(table, 0.02) if repaired else table)
    rng = np.random.default_rng(seed + 5)
    fronts = rng.integers(40, 200, (4, 4, 4))
    batches = []
    for number in range(50):
        codes = fronts[rng.integers(0, 4, 8)].repeat(2, 1).repeat(2, 2) + rng.integers(0, 8, (8, 8, 8))
        if number == step:
            codes[1, :3] = 0
        x = torch.from_numpy(logs[codes]).float()[:, None]
        batches.append((x, x))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.l1_loss),
        Expected(("bad-data",), ("data",), (), step),
    )
