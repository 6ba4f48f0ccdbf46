"""A probability is kept a millionth below one before the logarithm of its complement, a distance that half precision
does not know; the loss stays finite and its slope does not (fastino-ai/GLiNER2 pull request 155).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, spare = knobs.randint(4, 16), 1e-3 if repaired else 1e-6
    model = kit.named(start=nn.Linear(8, knobs.pick(16, 24)), act=nn.ReLU(), score=nn.LazyLinear(5))
    model(torch.zeros(1, 8))
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        logits = model(x)
        probabilities = torch.sigmoid(logits).half()
        survival = torch.log1p(-probabilities.clamp(max=1.0 - spare)).sum(1)
        found = (1 - survival.exp()).float()
        loss = nn.functional.binary_cross_entropy_with_logits(logits, y) + 0.1 * (found - y.amax(1)).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    look = torch.randn(8, 5)
    batches = []
    for number in range(60):
        x = torch.randn(16, 8)
        if number == step:
            x[:4] *= knobs.pick(150, 200)
        batches.append((x, (x @ look > 0).float()))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("backward", "loss"), (LOSS,), step),
    )
