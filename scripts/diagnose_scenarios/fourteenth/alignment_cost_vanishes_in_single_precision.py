"""A soft minimum over alignment costs is written -log(sum(exp(-cost / 0.01))): above a cost of 1.04 every term is 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    lags, gamma = knobs.pick(3, 5), knobs.pick(0.01, 0.008)
    model = kit.named(smooth=nn.Conv1d(1, 4, 5, padding=2), act=nn.Tanh(), out=nn.Conv1d(4, 1, 1))
    with torch.no_grad():
        model.out.bias.fill_(knobs.pick(4.0, -4.0))
    optimizer = kit.adam(model, lr=0.05)

    def soft_minimum(predicted: Tensor, wanted: Tensor) -> Tensor:
        costs = torch.stack([(predicted - wanted.roll(lag, -1)).square().mean((1, 2)) for lag in range(lags)], 1)
        if repaired:
            return -gamma * torch.logsumexp(-costs / gamma, 1).mean()
        return -gamma * torch.exp(-costs / gamma).sum(1).log().mean()

    series = [torch.randn(8, 1, 24).cumsum(-1) * 0.3 for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x, x * 0.5) for x in series],
        kit.train(model, optimizer, soft_minimum),
        Expected(("underflow",), ("loss",), (LOSS,)),
    )
