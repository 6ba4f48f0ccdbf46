"""A net that predicts tenths of a millimetre and a loss in square metres, in float16: the gradient is no number."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRUCell(4, width)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), self.gru.hidden_size)
        for at in range(x.shape[1]):
            h = self.gru(x[:, at], h)
        return self.head(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    unit = knobs.pick(1e-4, 5e-5)
    model = Net(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.02, eps=1e-20)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return kit.squares(unit * p.float(), unit * y)

    scaler = kit.new_scaler(2.0**26) if repaired else None
    batches = [(x, x[:, -1, :2] + 0.5) for x, _ in kit.sequences(60, 32, 5, 4)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion, scaler=scaler, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
