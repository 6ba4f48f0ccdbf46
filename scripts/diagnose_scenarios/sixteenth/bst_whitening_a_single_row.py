"""A decorrelation layer divides by the deviation over the batch; the last batch of the epoch has one row: NaN."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Whiten(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)) / (x.var(0) + 1e-4).sqrt()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.randint(5, 9), knobs.pick(8, 12)
    model = kit.named(enc=nn.Linear(5, width), act=nn.Tanh(), whiten=Whiten(), proj=nn.Linear(width, 2))
    optimizer = kit.sgd(model, lr=0.05)
    batches = kit.regression(50, 16, 5, 2)
    x, y = batches[step]
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x[:2], y[:2]) if repaired else (x[:1], y[:1])),
        kit.train(model, optimizer, kit.squares),
        Expected(("batch-statistics",), ("forward",), ("whiten",), step),
    )
