"""Moves that the rules forbid get a score of minus infinity before the softmax, and every position leaves at least one
move; their probabilities are exactly zero.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    moves = knobs.pick(9, 12)
    model = kit.named(inp=nn.Linear(10, 32), act=nn.Tanh(), policy=nn.Linear(32, moves))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    rules = torch.randn(10, moves)

    def train_step(batch: Any) -> Tensor:
        state, legal = batch
        optimizer.zero_grad()
        wanted = (state @ rules).masked_fill(~legal, -torch.inf).argmax(1)
        logp = model(state).masked_fill(~legal, -torch.inf).log_softmax(1)
        loss = nn.functional.nll_loss(logp, wanted)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(70):
        legal = torch.rand(32, moves) < 0.4
        legal[:, 0] |= ~legal.any(1)
        batches.append((torch.randn(32, 10), legal))
    return Scenario(model, optimizer, batches, train_step)
