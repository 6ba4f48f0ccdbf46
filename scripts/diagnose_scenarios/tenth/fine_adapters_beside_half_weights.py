"""The body of the net is frozen in float16 and never moves; two narrow float32 factors beside it are trained, one of
which starts at zero.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Adapted(nn.Module):
    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.body = nn.Linear(inputs, outputs).half()
        self.body.requires_grad_(False)
        self.down = nn.Linear(inputs, rank, bias=False)
        self.up = nn.Linear(rank, outputs, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.half()).float() + 2 * self.up(self.down(x))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(one=Adapted(8, 16, knobs.pick(2, 3)), act=nn.ReLU(), two=Adapted(16, 3, 2))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
