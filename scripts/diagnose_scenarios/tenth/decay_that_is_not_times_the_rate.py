"""The decay of a chained Adam is taken off the weights as it is, where it should have been multiplied by the learning
rate: what the net learns in a step is gone in the next (FluxML/Optimisers.jl issue 182).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class Chained(torch.optim.Adam):
    def __init__(self, params: Any, lr: float, decay: float, times_rate: bool) -> None:
        super().__init__(params, lr=lr)
        self.decay = decay * lr if times_rate else decay

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p -= self.decay * p
        super().step(closure)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        conv=nn.Conv1d(2, 8, 3, padding=1),
        act=nn.ReLU(),
        pool=nn.AdaptiveMaxPool1d(1),
        flat=nn.Flatten(),
        out=nn.Linear(8, 3),
    )
    optimizer = Chained(model.parameters(), lr=0.005, decay=knobs.pick(0.2, 0.3), times_rate=repaired)
    shapes = 2 * torch.randn(3, 2, 8)
    labels = [torch.randint(3, (32,)) for _ in range(70)]
    return Scenario(
        model,
        optimizer,
        [(shapes[y] + 0.3 * torch.randn(32, 2, 8), y) for y in labels],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), ("optimizer",), (), None, "stalls"),
    )
