"""A survival net's likelihood is averaged over the patients whose event was observed; in one batch every patient is
censored (liupei101/TFDeepSurv issue 15).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(fc1=nn.Linear(6, knobs.pick(16, 24)), act=nn.SELU(), risk=nn.LazyLinear(1))
    model(torch.zeros(1, 6))
    optimizer = kit.adam(model, lr=0.03)

    def breslow(risk: Tensor, outcome: tuple[Tensor, Tensor]) -> Tensor:
        time, observed = outcome
        order = time.argsort(descending=True)
        risk, observed = risk[order, 0], observed[order]
        at_risk = risk.logcumsumexp(0)
        events = observed.sum().clamp(min=1) if repaired else observed.sum()
        return -((risk - at_risk) * observed).sum() / events

    hazard = torch.randn(6)
    batches = []
    for number in range(80):
        x = torch.randn(12, 6)
        time = torch.empty(12).exponential_() / (2 * x @ hazard).exp()
        observed = (torch.rand(12) < 0.7).float()
        observed[0] = 1
        batches.append((x, (time, observed * 0 if number == step else observed)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, breslow),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
