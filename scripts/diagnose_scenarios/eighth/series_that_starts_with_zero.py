"""The forecaster divides each series by its first value, and the shop of one series had sold nothing on its first day
(kdgutier/esrnn_torch issue 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Levelled(nn.Module):
    def __init__(self, length: int, width: int, add: float) -> None:
        super().__init__()
        self.rnn = nn.GRU(1, width, batch_first=True)
        self.out = nn.Linear(width, 1)
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        level = x[:, :1] + self.add
        h, _ = self.rnn(((x + self.add) / level)[..., None])
        return self.out(h[:, -1]) * level - self.add


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length = knobs.step(), knobs.pick(8, 10)
    model = kit.named(level=Levelled(length, 16, 1.0 if repaired else 0.0))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(60):
        x = (2 + torch.rand(16, 1)) * (1 + 0.1 * torch.randn(16, length + 1))
        if number == step:
            x[knobs.randint(0, 15), 0] = 0
        batches.append((x[:, :-1], x[:, -1:]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.l1_loss),
        Expected(("division-by-zero",), ("forward",), ("level",), step),
    )
