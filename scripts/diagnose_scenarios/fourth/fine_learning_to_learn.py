"""A step holds five differentiable inner steps on a task of its own, and the outer gradient goes through all of
them.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(4, knobs.pick(16, 20), 1)
    optimizer = kit.adam(model, lr=0.01)
    common = torch.randn(4, 1)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        weights = dict(model.named_parameters())
        for _ in range(5):
            inner = kit.squares(torch.func.functional_call(model, weights, (x[:8],)), y[:8])
            slopes = torch.autograd.grad(inner, list(weights.values()), create_graph=True)
            weights = {name: w - 0.02 * s for (name, w), s in zip(weights.items(), slopes, strict=True)}
        loss = kit.squares(torch.func.functional_call(model, weights, (x[8:],)), y[8:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        x = torch.randn(32, 4)
        batches.append((x, x @ (common + 0.2 * torch.randn(4, 1))))
    return Scenario(model, optimizer, batches, train_step)
