"""A mean in a float16 loss divides by the number of values, which is infinite in float16: the loss is 0 from the first
step on (chelsea0x3b/dfdx issue 748).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(4, width), act=nn.Tanh(), out=nn.Linear(width, 2 * 64)).half()
    optimizer = kit.sgd(model, lr=0.5)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        errors = (model(x) - y).square()
        count = torch.tensor(float(errors.numel()))
        if repaired:
            loss = (errors.float().sum() / count) * 16
        else:
            loss = (errors / count.half()).sum() * 16
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(4, 128)
    batches = []
    for _ in range(40):
        x = torch.randn(knobs.pick(600, 640), 4)
        batches.append((x.half(), (x @ teacher).half()))
    # Infinity is a constant here; what fails is the number that float16 cannot hold.
    expected = Expected(("fp16-overflow",), ("loss",), (), None, "stalls")
    return Scenario(model, optimizer, batches, train_step, expected)
