"""The value of a board is learnt beside its moves; single batches give gradients of thousands of times the usual norm,
after which the value is saturated for good, and a limit on the norm prevents it (LeelaChessZero/lczero-training pull
request 55).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Tower(nn.Module):
    def __init__(self, width: int, blocks: int, gain: float) -> None:
        super().__init__()
        self.inp = nn.Linear(8, width)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.policy = nn.Linear(width, 5)
        self.value = nn.Linear(width, 1)
        self.gain = gain

    def forward(self, board: Tensor) -> tuple[Tensor, Tensor]:
        h = self.inp(board)
        for block in self.blocks:
            h = h + self.gain * block(h).relu()
        return self.policy(h), self.value(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Tower(knobs.pick(12, 14), 10, knobs.pick(1.6, 1.8))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)

    def train_step(batch: Any) -> Tensor:
        board, move, result = batch
        policy, value = model(board)
        loss = nn.functional.cross_entropy(policy, move) + nn.functional.mse_loss(value[:, 0], result)
        optimizer.zero_grad()
        loss.backward()
        if repaired:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    rules = torch.randn(8, 5)
    batches = []
    for _ in range(60):
        board = torch.randn(32, 8)
        batches.append((board, (board @ rules).argmax(1), board[:, 0].tanh()))
    return Scenario(model, optimizer, batches, train_step, Expected(("exploding-gradients",), (), (), None))
