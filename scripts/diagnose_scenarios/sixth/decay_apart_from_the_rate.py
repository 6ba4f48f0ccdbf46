"""A decoupled decay is applied without the learning rate, with the coefficient that was meant to be multiplied by it:
every step takes half of each weight (NVIDIA/apex issue 1849, modern-fortran/neural-fortran issue 152).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class Decoupled(torch.optim.Adam):
    """Adam whose decay follows a schedule of its own."""

    def __init__(self, params: Any, lr: float, decay: float) -> None:
        super().__init__(params, lr=lr)
        self.decay = decay

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - self.decay)
        super().step(closure)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    decay = knobs.pick(0.5, 0.6)
    model = kit.named(conv=nn.Conv1d(2, 8, 3), act=nn.Tanh(), flat=nn.Flatten(), fc=nn.Linear(64, 3))
    optimizer = Decoupled(model.parameters(), 0.004, decay * 0.004 if repaired else decay)
    shapes = torch.randn(3, 2, 10)
    labels = [torch.randint(3, (32,)) for _ in range(80)]
    return Scenario(
        model,
        optimizer,
        [(shapes[y] + 0.5 * torch.randn(32, 2, 10), y) for y in labels],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), (), (), None, "stalls"),
    )
