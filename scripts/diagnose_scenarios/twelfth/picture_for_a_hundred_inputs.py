"""A wide softmax is computed first and its logarithm after it; the share of the right class is below what a float can
hold, and its logarithm is minus infinity (deeplearning4j/deeplearning4j issue 785).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Output(nn.Module):
    def __init__(self, inputs: int, classes: int, together: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, inputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(classes))
        self.together = together

    def forward(self, x: Tensor) -> Tensor:
        scores = x @ self.weight.t() + self.bias
        return scores.log_softmax(1) if self.together else scores.softmax(1).log()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, step = knobs.pick(80, 100), knobs.randint(10, 30)
    model = kit.named(output=Output(inputs, 4, repaired))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    centres = torch.randn(4, inputs)
    batches = []
    for number in range(45):
        y = torch.randint(4, (16,))
        x = centres[y] + torch.randn(16, inputs)
        if number == step:
            # Two pictures that are far too strong, of the kind of a neighbouring class.
            x[:2] = knobs.pick(40.0, 50.0) * centres[(y[:2] + 1) % 4]
        batches.append((x, y))

    def likelihood(said: Tensor, y: Tensor) -> Tensor:
        return -said[torch.arange(len(y)), y].mean()

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, likelihood),
        Expected(("underflow",), ("forward",), ("output",), step),
    )
