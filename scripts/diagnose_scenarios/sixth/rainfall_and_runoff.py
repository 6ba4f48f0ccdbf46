"""A recurrent net for river discharge is given a learning rate a few hundred times too high by its table of epochs and
rates (neuralhydrology/neuralhydrology issue 101).
"""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Runoff(nn.Module):
    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Runoff(5, knobs.pick(16, 20))
    rates = {0: 0.01, 20: 0.005} if repaired else {0: knobs.pick(5.0, 6.0), 40: 4.0}
    optimizer = kit.adam(model, lr=rates[0])
    inner = kit.train(model, optimizer, kit.squares, clip=1.0)
    count = [0]

    def train_step(batch: Any) -> Tensor:
        if count[0] in rates:
            for group in optimizer.param_groups:
                group["lr"] = rates[count[0]]
        count[0] += 1
        return inner(batch)

    batches = kit.sequences(60, 16, 12, 5)
    batches = [(x, x[:, -3:].mean((1, 2)).unsqueeze(1) * 3) for x, _ in batches]
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None, "diverges"))
