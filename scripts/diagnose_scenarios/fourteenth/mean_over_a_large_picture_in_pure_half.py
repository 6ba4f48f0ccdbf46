"""A pure float16 denoiser averages small errors over 130000 pixels: each pixel's gradient is below 6e-8, so 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn
from torch.nn import functional


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kind = torch.float32 if repaired else torch.float16
    side, level = knobs.pick(96, 104), knobs.pick(5e-4, 6e-4)
    model = kit.named(mix=nn.Conv2d(2, 2, 1), act=nn.Tanh(), out=nn.Conv2d(2, 1, 1, bias=False))
    with torch.no_grad():
        model.out.weight.mul_(1e-3)
    model = model.to(kind)
    optimizer = kit.sgd(model, lr=1.0)
    pictures = [torch.randn(8, 2, side, side) for _ in range(24)]
    batches = [(x.to(kind), (level * torch.tanh(x[:, :1] - x[:, 1:])).to(kind)) for x in pictures]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, y: functional.mse_loss(p, y)),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
