"""A custom model in a chapter of a book steps with gradients that are never cleared, and the results are terrible
(fchollet/deep-learning-with-python-notebooks issue 293).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class CustomModel(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = nn.Linear(16, width)
        self.outputs = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs(self.features(x).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = CustomModel(knobs.pick(24, 32))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        if repaired:
            model.zero_grad()
        loss = kit.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model, optimizer, kit.classes(80, 32, 16, 4), train_step, Expected(("zero-grad",), (), (), None, "diverges")
    )
