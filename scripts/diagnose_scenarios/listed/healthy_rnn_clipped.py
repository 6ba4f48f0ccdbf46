"""A GRU trained with clipping, done in the right order."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(3, width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[0][:, -1])


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.03)
    batches = [(x, x[:, -2:, 0].sum(1, keepdim=True)) for x, _ in kit.sequences(60, 16, 10, 3)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares, clip=knobs.pick(0.5, 1.0)))
