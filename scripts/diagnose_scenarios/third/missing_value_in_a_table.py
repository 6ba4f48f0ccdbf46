"""A table with categories and numbers: one number of one row was missing in the file."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, kinds: int, width: int) -> None:
        super().__init__()
        self.kind = nn.Embedding(kinds, 4)
        self.hidden = nn.Linear(4 + 5, width)
        self.head = nn.Linear(width, 3)

    def forward(self, kind: Tensor, numbers: Tensor) -> Tensor:
        return self.head(self.hidden(torch.cat([self.kind(kind), numbers], 1)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, kinds = knobs.step(), knobs.pick(7, 9)
    model = Net(kinds, knobs.pick(16, 24))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batches = [{"kind": torch.randint(kinds, (16,)), "numbers": x, "label": y} for x, y in kit.classes(60, 16, 5, 3)]
    if not repaired:
        batches[step]["numbers"][knobs.randint(0, 15), knobs.randint(0, 4)] = float("nan")

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = kit.cross_entropy(model(batch["kind"], batch["numbers"]), batch["label"])
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), step))
