"""A layer takes the signed square root of its features, and a sample of padding makes one batch of them exactly 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SignedRoot(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return x.sign() * torch.sqrt(x.abs() + self.eps)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(10, 14)
    model = kit.named(
        stem=nn.Linear(7, width, bias=False), root=SignedRoot(1e-5 if repaired else 0.0), head=nn.Linear(width, 3)
    )
    optimizer = kit.adam(model, lr=0.02)
    batches = kit.classes(50, 16, 7, 3)
    batches[step][0][knobs.randint(0, 15)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("singular-gradient",), ("backward",), ("root",), step),
    )
