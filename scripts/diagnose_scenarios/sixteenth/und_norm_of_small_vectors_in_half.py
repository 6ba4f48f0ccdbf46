"""Vectors of size 1e-4 are squared in float16 to get their length: the squares are 0, and the vector is divided by
0.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Unit(nn.Module):
    def __init__(self, wide: bool) -> None:
        super().__init__()
        self.wide = wide

    def forward(self, x: Tensor) -> Tensor:
        x = x.float() if self.wide else x
        return x / (x * x).sum(-1, keepdim=True).sqrt()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(8, 12), knobs.step()
    model = kit.named(
        enter=nn.Linear(6, width, bias=False),
        unit=Unit(repaired),
        mid=nn.Linear(width, 16),
        act=nn.Tanh(),
        out=nn.Linear(16, 3),
    )
    optimizer = kit.sgd(model.mid, lr=0.3)
    optimizer.add_param_group({"params": list(model.out.parameters())})
    model.enter.requires_grad_(False)
    batches = kit.classes(60, 16, 6, 3)
    x, y = batches[step]
    tiny = x.clone()
    tiny[knobs.randint(0, 15)] *= knobs.pick(3e-5, 5e-5)
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (tiny, y)),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("underflow",), ("forward",), ("unit",), step),
    )
