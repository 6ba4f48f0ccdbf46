"""A learnt temperature exp(t) of a picture-text net is applied in float16: at t above 11 it is infinite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class TwoTowers(nn.Module):
    def __init__(self, inputs: int, width: int, start: float, highest: float) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(inputs, width), nn.Linear(inputs, width)
        self.log_scale, self.highest = nn.Parameter(torch.tensor(start)), highest

    def forward(self, x: Tensor) -> Tensor:
        a = functional.normalize(self.left(x), dim=1)
        b = functional.normalize(self.right(x.flip(1)), dim=1)
        return self.log_scale.clamp(max=self.highest).half().exp() * (a @ b.t())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(towers=TwoTowers(8, knobs.pick(8, 12), knobs.pick(11.2, 11.8), 2.0 if repaired else 100.0))
    optimizer = kit.adam(model, lr=0.02)
    batches = [(x, torch.arange(12)) for x, _ in kit.regression(60, 12, 8)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("towers",)),
    )
