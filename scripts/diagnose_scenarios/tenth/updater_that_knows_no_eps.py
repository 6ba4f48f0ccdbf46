"""An updater for Adam divides by the root of the second moment and has no eps at all; rectifiers that are closed for a
whole batch get 0 / 0 (deeplearning4j/deeplearning4j issue 2705).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.ReLU(), out=nn.LazyLinear(3))
    model(torch.zeros(1, 8))
    with torch.no_grad():
        model.inp.bias[knobs.randint(0, 3)] = -30.0
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    moments = {p: (torch.zeros_like(p), torch.zeros_like(p)) for p in model.parameters()}
    count = [0]

    def update() -> None:
        count[0] += 1
        for p, (m, v) in moments.items():
            m.lerp_(p.grad, 0.1)
            v.lerp_(p.grad.square(), 0.001)
            root = (v / (1 - 0.999 ** count[0])).sqrt()
            p.grad = (m / (1 - 0.9 ** count[0])) / (root + 1e-8 if repaired else root)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        update()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        train_step,
        Expected(("optimizer-eps", "division-by-zero"), ("optimizer",), (), 0),
    )
