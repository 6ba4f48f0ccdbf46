"""A Beta likelihood is fitted to proportions strictly between 0 and 1, and one label is exactly 1."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(10, 16)
    model = kit.named(inp=nn.Linear(6, width), act=nn.SiLU(), out=nn.Linear(width, 2))
    optimizer = kit.adam(model, lr=0.02)

    def likelihood(out: Tensor, share: Tensor) -> Tensor:
        a, b = (nn.functional.softplus(out) + 1.05).unbind(1)
        return 3 - torch.distributions.Beta(a, b, validate_args=False).log_prob(share).mean()

    batches = []
    for i in range(60):
        x = torch.randn(16, 6)
        share = torch.sigmoid(3 * x[:, 1] + 0.2 * torch.randn(16)).clamp(0.01, 0.99)
        if i == step and not repaired:
            share[knobs.randint(0, 15)] = 1.0
        batches.append((x, share))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, likelihood),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step),
    )
