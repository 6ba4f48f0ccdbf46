"""A norm takes the standard deviation over the batch, and the last batch holds one sample: NaN."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class BatchNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)) / (x.std(0) + 1e-5)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(8, width), norm=BatchNorm(), act=nn.ReLU(), head=nn.Linear(width, 3))
    optimizer = kit.sgd(model, lr=0.1)
    batches = kit.classes(40, 16, 8, 3)
    x, y = batches[step]
    left = 2 if repaired else 1
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x[:left], y[:left])),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("norm",), step),
    )
