"""The root of a variance inside a layer, for a sample whose features are all equal."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Contrast(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        spread = (x.var(1, keepdim=True, unbiased=False) + self.eps).sqrt()
        return torch.cat([x, spread], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(enc=nn.Linear(6, width, bias=False), contrast=Contrast(1e-6 if repaired else 0.0))
    model.add_module("out", nn.Linear(width + 1, 1))
    optimizer = kit.adam(model, lr=0.02)
    batches = kit.regression(60, 16, 6)
    batches[step][0][knobs.randint(0, 15)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("contrast",), step),
    )
