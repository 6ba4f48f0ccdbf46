"""Both factors of a low-rank adapter start at 0 on a frozen layer: the gradient of each is the other, so nothing
moves.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Adapted(nn.Module):
    def __init__(self, inputs: int, outputs: int, rank: int, start: float) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.down = nn.Parameter(start * torch.randn(rank, inputs))
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.down.t() @ self.up.t()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(fc=Adapted(8, 6, knobs.pick(3, 4), 0.3 if repaired else 0.0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.03)
    return Scenario(
        model,
        optimizer,
        kit.regression(80, 64, 8, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
