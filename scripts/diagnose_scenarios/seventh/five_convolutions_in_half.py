"""A small convolutional net is turned to float16 as a whole, with the default eps of Adam (as in pytorch/pytorch
issue 8860, solved with a larger eps).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    layers = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * 36, 4)).half()
    more = {"eps": 1e-4} if repaired else {}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005, amsgrad=knobs.pick(False, True), **more)
    return Scenario(
        model,
        optimizer,
        [(x.half(), y) for x, y in kit.images(60, 16, 1, 6, 4)],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",), (), 0),
    )
