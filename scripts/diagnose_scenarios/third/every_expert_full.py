"""A router puts minus infinity on experts without room; when all are full, a token's shares are not numbers."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Experts(nn.Module):
    def __init__(self, width: int, count: int, spare: bool) -> None:
        super().__init__()
        self.route = nn.Linear(width, count)
        self.each = nn.ModuleList([nn.Linear(width, width) for _ in range(count)])
        self.spare = spare

    def forward(self, x: Tensor, room: Tensor) -> Tensor:
        score = self.route(x).masked_fill(~room, float("-inf"))
        if self.spare:
            score = torch.where(room.any(1, keepdim=True), score, torch.zeros_like(score))
        share = torch.softmax(score, -1)
        return sum(share[:, [n]] * expert(x) for n, expert in enumerate(self.each))


class Net(nn.Module):
    def __init__(self, width: int, count: int, spare: bool) -> None:
        super().__init__()
        self.enc = nn.Linear(6, width)
        self.moe = Experts(width, count, spare)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor, room: Tensor) -> Tensor:
        return self.head(self.moe(self.enc(x), room).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count = knobs.step(), knobs.pick(3, 4)
    model = Net(12, count, repaired)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, room, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.bfloat16):
            loss = kit.cross_entropy(model(x, room), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number, (x, y) in enumerate(kit.classes(60, 24, 6, 3)):
        room = torch.rand(24, count) < 0.7
        room[torch.arange(24), torch.randint(count, (24,))] = True
        if number == step:
            room[-1] = False
        batches.append((x, room, y))
    return Scenario(model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("moe",), step))
