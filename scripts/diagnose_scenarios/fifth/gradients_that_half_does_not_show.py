"""A model and its data in float16, a loss averaged over tens of thousands of values: gradients of 1e-8 are there in
float32 and exactly 0 in float16 (chelsea0x3b/dfdx issue 748).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(6, width), act=nn.Tanh(), out=nn.Linear(width, 128))
    if not repaired:
        model.half()
    optimizer = kit.sgd(model, lr=knobs.pick(4e4, 5e4))
    dtype = torch.float32 if repaired else torch.float16

    def train_step(batch: Any) -> Tensor:
        x, y = (part.to(dtype) for part in batch)
        optimizer.zero_grad()
        loss = 1e-4 * nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return 1e4 * loss.float()

    teacher = torch.randn(6, 128)
    batches = [(x, (x @ teacher).tanh()) for x in (torch.randn(256, 6) for _ in range(40))]
    expected = Expected(("gradient-underflow",), ("backward",), (), None, "stalls")
    return Scenario(model, optimizer, batches, train_step, expected)
