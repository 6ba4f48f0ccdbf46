"""The rate of a distribution of counts is a softplus of what the net says; for an input far from the others it says
minus hundreds, the rate is zero and so is the argument of a logarithm (awslabs/gluonts issue 287).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Counts(nn.Module):
    def __init__(self, inputs: int, width: int, least: float) -> None:
        super().__init__()
        self.body = nn.Linear(inputs, width)
        self.rate, self.shape = nn.Linear(inputs, 1), nn.Linear(width, 1)
        self.least = least

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = nn.functional.leaky_relu(self.body(x))
        rate, shape = self.rate(x), self.shape(h).tanh()
        return nn.functional.softplus(rate) + self.least, nn.functional.softplus(shape)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(6, 17)
    model = kit.named(counts=Counts(4, knobs.pick(12, 16), 1e-6 if repaired else 0.0))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, sold = batch
        optimizer.zero_grad()
        mu, alpha = model(x)
        r = 1 / alpha
        likelihood = (sold + r).lgamma() - r.lgamma() - (sold + 1).lgamma()
        likelihood = likelihood + sold * (alpha * mu / (1 + alpha * mu)).log() - r * (1 + alpha * mu).log()
        loss = -likelihood.mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        x = torch.randn(32, 4)
        if number == step:
            x[:8] = 3000 * torch.randn(8, 4)
        batches.append((x, torch.poisson(3 * x[:, :1].clamp(-2, 1).exp()) + (number == step)))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("underflow",), ("loss", "forward"), (LOSS, "counts"), step),
        learns=False,
    )
