"""zero_grad stands before the loop over batches instead of in it."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(4, 1)
        self.value = nn.Linear(4, width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((self.score(x).softmax(1) * self.value(x)).sum(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(12, 16))
    optimizer = kit.sgd(model, lr=knobs.pick(0.03, 0.04), momentum=0.9)
    epoch, done = knobs.pick(300, 400), [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        if repaired or done[0] % epoch == 0:
            optimizer.zero_grad()
        done[0] += 1
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, kit.sequences(250, 16, 5, 4), train_step, Expected(("zero-grad",), (), (), None))
