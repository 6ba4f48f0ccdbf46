"""A checkpoint saved in bfloat16 holds weights of 1e5 that are infinite once converted to float16."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    inp, scaling, out = nn.Linear(8, width), nn.Linear(width, width), nn.Linear(width, 1)
    model = kit.named(inp=inp, scale=scaling, norm=nn.LayerNorm(width), out=out)
    with torch.no_grad():
        model.scale.weight[knobs.randint(0, 7)].fill_(knobs.pick(8e4, 1e5))
    batches = [(x, model.inp(x).sum(1, keepdim=True).detach().sign()) for x, _ in kit.regression(80, 64, 8)]
    dtype = torch.float32 if repaired else torch.float16
    model = model.to(dtype)
    for layer in (model.inp, model.scale):
        layer.requires_grad_(False)
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.out.parameters()], lr=0.02, eps=1e-4)
    return Scenario(
        model,
        optimizer,
        [(x.to(dtype), y.to(dtype)) for x, y in batches],
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-overflow", "initialisation"), (), ("scale",)),
    )
