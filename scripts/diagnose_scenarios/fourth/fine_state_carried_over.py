"""Truncated backpropagation: the recurrent state of one batch, cut off from its graph, is where the next one begins."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(4, width, batch_first=True)
        self.head = nn.Linear(width, 1)
        self.register_buffer("state", torch.zeros(1, 8, width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        out, last = self.gru(x, self.state)
        self.state = last.detach()
        return self.head(out)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Reader(knobs.pick(12, 16))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005)
    xs = [torch.randn(8, 10, 4) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(x, x[:, :, :1].roll(1, 1) * 0.3 + x[:, :, 1:2]) for x in xs],
        kit.train(model, optimizer, kit.squares, clip=1.0),
    )
