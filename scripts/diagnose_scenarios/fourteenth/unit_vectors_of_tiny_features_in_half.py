"""Features of 1e-4 are squared in float16 to get their length: 1e-8 is 0 there, and the division gives infinity."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class UnitLength(nn.Module):
    def __init__(self, wide: bool) -> None:
        super().__init__()
        self.wide = wide

    def forward(self, x: Tensor) -> Tensor:
        x = x.float() if self.wide else x.half()
        return x / torch.sqrt((x * x).sum(-1, keepdim=True))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 10)
    encoder = nn.Linear(5, width, bias=False).requires_grad_(False)
    with torch.no_grad():
        encoder.weight.mul_(knobs.pick(1e-4, 1.5e-4))
    model = kit.named(encoder=encoder, unit=UnitLength(repaired), head=nn.Linear(width, 3))
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.5)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 16, 5, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("underflow",), ("forward",), ("unit",)),
    )
