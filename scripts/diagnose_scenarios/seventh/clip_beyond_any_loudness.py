"""A badly cut sound file holds samples of 1e29 and more; their squares are infinite (as in Plachtaa/seed-vc pull
request 108).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(wave=nn.Conv1d(1, width, 5, padding=2), act=nn.Tanh(), back=nn.Conv1d(width, 1, 5, padding=2))
    optimizer = kit.adam(model, lr=0.01)
    xs = [0.5 * torch.randn(8, 1, 32) for _ in range(60)]
    if not repaired:
        xs[step][knobs.randint(0, 7), 0, 4:9] = knobs.pick(4e29, 2e30)
    # the broken file is the input and, being resynthesised, the target as well: both names are true
    return Scenario(
        model,
        optimizer,
        [(x, x) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data", "bad-labels"), ("data", "loss"), (), step),
    )
