"""A net for the transport of ions is given a pressure of a hundred thousand beside quantities of about one; the
network cannot learn such things before they are scaled (lululxvi/deepxde issue 336).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(20, 24)
    model = kit.named(
        inp=nn.Linear(3, width), act=nn.Tanh(), mid=nn.Linear(width, width), act2=nn.Tanh(), out=nn.Linear(width, 1)
    )
    nn.init.zeros_(model.out.weight)
    nn.init.zeros_(model.out.bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    units = torch.tensor([1.0, 1e-6, 1.013e5])
    if repaired:
        units = torch.ones(3)
    slope = torch.tensor([[0.1], [1.5], [-0.05]]) * knobs.pick(1.0, 1.5)
    batches = []
    for _ in range(80):
        state = torch.randn(32, 3)
        batches.append((state * units, (state @ slope).tanh()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), ("data",), (), 0, "stalls"),
    )
