"""Every layer of a deep net starts uniform in 0 to 1: nothing cancels, each layer multiplies by half its width."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, depth = knobs.pick(32, 40), knobs.pick(34, 38)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    model = kit.named(inp=nn.Linear(6, width), mid=nn.Sequential(*layers), head=nn.Linear(width, 1))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if repaired and weight.dim() == 2:
                nn.init.kaiming_normal_(weight) if "head" not in name else weight.mul_(0.1)
            elif not repaired:
                weight.uniform_(0, 1)
    optimizer = kit.sgd(model, lr=0.002)
    xs = [torch.randn(16, 6) for _ in range(60)]
    batches = [(x, 1 + 0.1 * x[:, :1]) for x in xs]
    place = kit.first_overflow(model, xs[0])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=1.0 if repaired else None),
        Expected(("initialisation",), ("forward",), (place,) if place else ()),
    )
