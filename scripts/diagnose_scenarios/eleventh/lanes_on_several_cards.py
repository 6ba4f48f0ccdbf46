"""Lanes are learnt on several cards at the rate that one card got, while the losses of all cards are added up; the loss
is huge, and divided by more than the number of cards the rate is right (harryhan618/SCNN_Pytorch issue 47).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Lanes(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Conv2d(1, width, 3, padding=1)
        self.down = nn.Conv2d(width, width, (1, 3), padding=(0, 1), bias=False)
        self.seg = nn.Conv2d(width, 2, 1)
        self.exist = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.inp(x).relu()
        h = h + self.down(h).relu()
        return self.seg(h), self.exist(h.mean((2, 3)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    cards = knobs.pick(4, 6)
    model = Lanes(knobs.pick(8, 10))
    rate = 4.0
    optimizer = torch.optim.SGD(model.parameters(), lr=rate / (4 * cards) if repaired else rate, momentum=0.9)

    def train_step(batch: list[dict[str, Tensor]]) -> Any:
        optimizer.zero_grad()
        losses = []
        for part in batch:
            seg, exist = model(part["picture"])
            first = nn.functional.cross_entropy(seg, part["lane"])
            second = nn.functional.binary_cross_entropy_with_logits(exist, part["exist"])
            losses.append(first + 0.1 * second)
        loss = torch.stack(losses).sum()
        loss.backward()
        optimizer.step()
        return loss

    def part() -> dict[str, Tensor]:
        exist = (torch.rand(4, 2) < 0.6).float()
        lane = torch.zeros(4, 8, 12, dtype=torch.long)
        lane[:, :, 3] = exist[:, :1].long()
        lane[:, :, 9] = exist[:, 1:].long()
        return {"picture": 2.0 * lane[:, None] + 0.3 * torch.randn(4, 1, 8, 12), "lane": lane, "exist": exist}

    batches = [[part() for _ in range(cards)] for _ in range(40)]
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
