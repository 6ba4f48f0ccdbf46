"""Weights near 4 in float16 and a small rate: each update is below half their spacing and is rounded away."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, level = knobs.pick(5, 6), knobs.pick(4.2, 4.4)
    dtype = torch.float32 if repaired else torch.float16
    model = kit.named(gain=nn.Linear(inputs, 1, bias=False)).to(dtype)
    with torch.no_grad():
        model.gain.weight.fill_(level)
    teacher = model.gain.weight.detach().float() + 0.02 + 0.03 * torch.rand(1, inputs)
    optimizer = kit.sgd(model, lr=0.01)
    xs = [torch.randn(256, inputs).half().float() for _ in range(100)]
    return Scenario(
        model,
        optimizer,
        [(x.to(dtype), x @ teacher.t()) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("optimizer",), (), None, "stalls"),
    )
