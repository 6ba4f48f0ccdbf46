"""Sum pooling over a map in float16: one bright picture of 32 x 32 brings the sum past 65504."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SumPool(nn.Module):
    def __init__(self, wide: bool) -> None:
        super().__init__()
        self.wide = wide

    def forward(self, x: Tensor) -> Tensor:
        return (x.float() if self.wide else x).sum((2, 3)) / 10000


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, size, step = knobs.pick(4, 6), knobs.pick(30, 32), knobs.step()
    model = kit.named(conv=nn.Conv2d(1, width, 1), pool=SumPool(repaired), head=nn.Linear(width, 3))
    with torch.no_grad():
        model.conv.weight.uniform_(0.7, 1.0)
    optimizer = kit.adam(model, lr=0.05)
    batches = []
    for _ in range(60):
        y = torch.randint(3, (8,))
        level = torch.tensor([3.0, 20.0, 40.0])[y]
        batches.append((level[:, None, None, None] + torch.randn(8, 1, size, size), y))
    batches[step][0][knobs.randint(0, 7)] += knobs.pick(120.0, 140.0)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("pool",), step),
    )
