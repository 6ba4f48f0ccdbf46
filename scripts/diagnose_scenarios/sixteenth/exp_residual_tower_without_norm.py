"""Ninety residual blocks add twice their input each: without a norm the signal and the gradient grow to 1e38 and
beyond.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, normed: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width) if normed else nn.Identity()
        self.lin = nn.Linear(width, width)
        with torch.no_grad():
            self.lin.weight.copy_(2 * torch.eye(width) + 0.1 * torch.randn(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.lin(self.norm(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, depth = knobs.pick(6, 8), knobs.pick(90, 100)
    model = kit.named(
        inp=nn.Linear(4, width),
        tower=nn.Sequential(*[Block(width, repaired) for _ in range(depth)]),
        last=nn.LayerNorm(width) if repaired else nn.Identity(),
        head=nn.Linear(width, 1),
    )
    optimizer = kit.adam(model, lr=0.002)
    batches = kit.regression(40, 16, 4)
    place = kit.first_overflow(model, batches[0][0])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("exploding-gradients", "initialisation"), ("forward",), (place,) if place else ()),
    )
