"""The preprocessing counted two cells more than the net was told of; the first path through one of them asks for a
probability that does not exist (boathit/t2vec issue 17).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Paths(nn.Module):
    def __init__(self, seen: int, cells: int, width: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(seen, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, cells)

    def forward(self, path: Tensor) -> Tensor:
        return self.out(self.gru(self.emb(path))[0]).log_softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, cells = knobs.step(), knobs.pick(12, 14)
    model = Paths(cells + 2, cells + 2 if repaired else cells, 16)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(output: Tensor, target: Tensor) -> Tensor:
        return -torch.gather(output, 2, target.unsqueeze(2)).mean()

    batches = []
    for number in range(60):
        path = (torch.randint(cells, (16, 1)) + torch.arange(7) * 2) % cells
        if number == step:
            path[knobs.randint(0, 15), 4] = cells
        batches.append((path[:, :-1], path[:, 1:]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step, "raises"),
    )
