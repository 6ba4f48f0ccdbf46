"""Imputation first centres each feature on its observed values; in one window a feature was never observed, and the
number of its values is the divisor (WenjieDu/PyPOTS issue 265).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Imputer(nn.Module):
    def __init__(self, features: int, width: int, least: float) -> None:
        super().__init__()
        self.rnn = nn.LSTM(2 * features, width, batch_first=True)
        self.out = nn.Linear(width, features)
        self.least = least

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        x, seen = pair
        count = seen.sum(1, keepdim=True)
        mean = (x * seen).sum(1, keepdim=True) / count.clamp(min=self.least)
        h, _ = self.rnn(torch.cat([(x - mean) * seen, seen], -1))
        return self.out(h) + mean


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, features = knobs.step(), knobs.pick(3, 4)
    model = kit.named(impute=Imputer(features, 24, 1.0 if repaired else 0.0))
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number in range(60):
        x = torch.randn(16, 1, features) + 0.3 * torch.randn(16, 10, features)
        seen = (torch.rand_like(x) < 0.6).float()
        seen[:, 0] = 1
        if number == step:
            seen[knobs.randint(0, 15), :, 1] = 0
        batches.append(((x * seen, seen), x))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("division-by-zero",), ("forward",), ("impute",), step),
        learns=False,
    )
