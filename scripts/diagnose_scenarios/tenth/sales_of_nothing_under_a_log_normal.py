"""Forecasts of sales are log-normal distributions, in which nothing sold is impossible; for the first series with a
zero the distribution refuses (sktime/pytorch-forecasting issue 1550).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, horizon = knobs.randint(3, 14), knobs.pick(3, 4)
    rnn = nn.LSTM(1, 12, batch_first=True)
    model = nn.ModuleDict({"rnn": rnn, "loc": nn.Linear(12, horizon), "scale": nn.Linear(12, horizon)})
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)

    def train_step(batch: Any) -> Tensor:
        past, future = batch
        optimizer.zero_grad()
        state = model["rnn"]((1 + past).log()[..., None])[0][:, -1]
        forecast = torch.distributions.LogNormal(
            model["loc"](state), 0.1 + nn.functional.softplus(model["scale"](state)), validate_args=True
        )
        loss = -forecast.log_prob(future + 1 if repaired else future).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        level = (2 * torch.rand(16, 1) + 1).exp()
        sold = torch.poisson(level.expand(16, 8 + horizon)).clamp(min=1)
        if number == step:
            sold[knobs.randint(0, 15), -1] = 0
        batches.append((sold[:, :8], sold[:, 8:]))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("bad-labels",), ("loss",), (LOSS,), step, "raises"),
    )
