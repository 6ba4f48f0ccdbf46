"""Now and then a target is ten thousand times the usual one; the error counts it by its size only, and the bound on
gradients does the rest.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(6, 20), act=nn.GELU(), out=nn.Linear(20, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batches = kit.regression(70, 32, 6)
    batches = [(x, 2 * y + 2) for x, y in batches]
    for step in torch.randperm(50)[: knobs.randint(3, 5)].tolist():
        batches[step][1][knobs.randint(0, 31)] *= knobs.pick(-1e4, 1e4)

    def error(said: Tensor, true: Tensor) -> Tensor:
        return nn.functional.smooth_l1_loss(said, true, reduction="none").clamp(max=50.0).mean()

    return Scenario(model, optimizer, batches, kit.train(model, optimizer, error, clip=1.0))
