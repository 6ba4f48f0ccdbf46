"""A router's weights are initialised and its bias is not; torch's deterministic mode fills such memory with NaN
(pytorch/torchtitan pull request 2450).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Router(nn.Module):
    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, experts)

    def init_weights(self, all_of_it: bool) -> None:
        nn.init.trunc_normal_(self.gate.weight, std=0.02)
        if all_of_it:
            nn.init.zeros_(self.gate.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(x).softmax(-1)


class MoE(nn.Module):
    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.inp = nn.Linear(6, width)
        self.router = Router(width, experts)
        self.experts = nn.ModuleList(nn.Linear(width, width) for _ in range(experts))
        self.out = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inp(x)
        weights = self.router(h)
        mixed = sum(weights[:, number, None] * expert(h).relu() for number, expert in enumerate(self.experts))
        return self.out(mixed)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = MoE(knobs.pick(12, 16), knobs.pick(3, 4))
    with torch.no_grad():
        model.router.gate.bias.fill_(torch.nan)
    model.router.init_weights(repaired)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.2, 1.0, 10)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        return loss

    expected = Expected(("initialisation",), ("forward",), ("router.gate",))
    batches = kit.classes(50, 24, 6, 3)
    return Scenario(model, optimizer, batches, train_step, expected, extra_state=(scheduler,))
