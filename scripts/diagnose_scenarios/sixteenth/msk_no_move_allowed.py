"""A policy masks the moves that are not allowed with minus infinity; in one position no move is allowed."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Policy(nn.Module):
    def __init__(self, size: int, moves: int) -> None:
        super().__init__()
        self.body = nn.Linear(size, 20)
        self.logits = nn.Linear(20, moves)

    def forward(self, seen: Tensor, allowed: Tensor) -> Tensor:
        raw = self.logits(torch.relu(self.body(seen)))
        return torch.where(allowed, raw, torch.full_like(raw, -math.inf)).softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, moves = knobs.step(), knobs.pick(4, 6)
    net = nn.ModuleDict({"policy": Policy(6, moves)})
    optimizer = kit.adam(net, lr=0.02)
    worth = torch.randn(6, moves)
    batches = []
    for i in range(60):
        seen, allowed = torch.randn(24, 6), torch.rand(24, moves) > 0.4
        allowed[:, 0] = True
        if i == step and not repaired:
            allowed[knobs.randint(0, 23)] = False
        batches.append((seen, allowed))

    def train_step(batch: Any) -> Tensor:
        seen, allowed = batch
        optimizer.zero_grad()
        chance = net["policy"](seen, allowed)
        gain = (seen @ worth).masked_fill(~allowed, 0.0)
        loss = 3 - (chance * gain).sum(1).mean()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        net,
        optimizer,
        batches,
        train_step,
        Expected(("masked-softmax",), ("forward",), ("policy",), step),
    )
