"""A game position without a legal move: all logits of the policy are minus infinity."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Policy(nn.Module):
    def __init__(self, moves: int) -> None:
        super().__init__()
        self.body, self.moves = nn.Linear(7, 20), nn.Linear(20, moves)

    def forward(self, board: Tensor, legal: Tensor) -> Tensor:
        logits = self.moves(self.body(board).relu())
        return torch.where(legal, logits, -math.inf).log_softmax(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, moves = knobs.step(), knobs.pick(4, 5)
    model = kit.named(policy=Policy(moves))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad()
        logs = model.policy(batch["board"], batch["legal"])
        loss = -logs.gather(1, batch["move"][:, None]).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for x, y in kit.classes(60, 16, 7, moves):
        legal = torch.rand(16, moves) > 0.3
        legal[torch.arange(16), y] = True
        batches.append({"board": x, "legal": legal, "move": y})
    if not repaired:
        batches[step]["legal"][knobs.randint(0, 15)] = False
    return Scenario(
        model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("policy",), step)
    )
