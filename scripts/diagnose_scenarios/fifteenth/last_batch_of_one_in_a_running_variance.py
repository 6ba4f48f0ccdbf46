"""The last batch of a data set holds one sample, and the running variance divides by the number of samples less one;
from then on it is not a number (torch/nn pull request 1271).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class RunningNorm(nn.Module):
    """Normalises with its running statistics, which each batch moves a little."""

    def __init__(self, width: int, careful: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("var", torch.ones(width))
        self.careful = careful

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1 or not self.careful:
            with torch.no_grad():
                mean = x.mean(0)
                var = (x - mean).square().sum(0) / (len(x) - 1)
                self.mean.lerp_(mean, 0.1)
                self.var.lerp_(var, 0.1)
        return (x - self.mean) / (self.var + 1e-5).sqrt() * self.weight + self.bias


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    last = knobs.randint(8, 20)
    model = kit.named(inp=nn.Linear(8, 20), bn=RunningNorm(20, repaired), act=nn.ReLU(), out=nn.Linear(20, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    batches = kit.classes(45, 24, 8, 4)
    for number in range(last, 45, last + 1):
        batches = kit.at(batches, number, (batches[number][0][:1], batches[number][1][:1]))
    return Scenario(
        model,
        optimizer,
        batches[: 45 if (44 - last) % (last + 1) else 44],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("bn",), last),
        learns=False,
    )
