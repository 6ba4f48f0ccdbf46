"""An LSTM under autocast to bfloat16 whose forward is recomputed in the backward, with dropout and clipping."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Part(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, width, batch_first=True)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.lstm(x)[0][:, -1])


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.part = Part(width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(checkpoint(self.part, x, use_reentrant=False))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.02)
    batches = [(x, x[:, -2:, 0].sum(1, keepdim=True)) for x, _ in kit.sequences(60, 16, 6, 3)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares, amp=torch.bfloat16, clip=1.0))
