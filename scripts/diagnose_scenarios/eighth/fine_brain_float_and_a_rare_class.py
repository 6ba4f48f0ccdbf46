"""bfloat16 autocast, a rare class with a weight of its own, ignored labels, clipping."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(10, knobs.pick(24, 32)), act=nn.SiLU(), head=nn.LazyLinear(4))
    model(torch.zeros(1, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    weight = torch.tensor([1.0, 1.0, 1.0, 8.0])

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits.float(), labels, weight=weight, ignore_index=-100)

    batches = kit.classes(60, 64, 10, 4)
    for _, y in batches:
        y[torch.rand(64) < 0.1] = -100
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion, amp=torch.bfloat16, clip=1.0))
