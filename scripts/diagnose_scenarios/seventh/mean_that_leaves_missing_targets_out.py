"""nanmean leaves missing targets out of the loss, not out of its gradient (as in BLAST-AI-ML/synapse pull request
237).
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(
        hidden1=nn.Linear(5, 20), act1=nn.Tanh(), hidden2=nn.Linear(20, 20), act2=nn.Tanh(), head=nn.Linear(20, 2)
    )
    optimizer = kit.adam(model, lr=0.01)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        if repaired:
            known = ~y.isnan()
            return (p[known] - y[known]).square().mean()
        return (p - y).square().nanmean()

    batches = kit.regression(70, 16, 5, 2)
    batches[step][1][knobs.randint(0, 15), 1] = float("nan")
    # the values are missing in the targets, and what they break is the gradient of the mean
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels", "bad-data"), ("backward", "loss", "data"), (), step),
    )
