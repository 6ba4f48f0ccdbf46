"""All weights start at one constant: hidden units are copies of each other and stay so, exclusive-or cannot be
learnt.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, level = knobs.pick(12, 16), knobs.pick(0.05, 0.1)
    model = kit.named(hidden=nn.Linear(2, width), act=nn.Tanh(), out=nn.Linear(width, 1))
    if not repaired:
        with torch.no_grad():
            for weight in model.parameters():
                weight.fill_(level)
    optimizer = kit.adam(model, lr=0.05)
    signs = [torch.randn(48, 2).sign() for _ in range(70)]
    return Scenario(
        model,
        optimizer,
        [(x + 0.1 * torch.randn_like(x), (x[:, :1] * x[:, 1:] > 0).float()) for x in signs],
        kit.train(model, optimizer, lambda p, y: nn.functional.binary_cross_entropy_with_logits(p, y)),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
