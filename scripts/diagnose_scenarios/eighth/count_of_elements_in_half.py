"""A mean is written as a sum over a count, and the count of more than 65504 elements is infinite in float16: the loss
is 0 and nothing moves (chelsea0x3b/dfdx issue 748).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    outputs = knobs.pick(1100, 1200)
    model = kit.named(inp=nn.Linear(6, 16), act=nn.Tanh(), head=nn.Linear(16, outputs))
    optimizer = kit.adam(model, lr=0.02)

    def mean(found: Tensor, wanted: Tensor) -> Tensor:
        error = (found - wanted.to(found.dtype)).abs()
        count = torch.tensor(float(error.numel()), dtype=torch.float32 if repaired else error.dtype)
        return error.sum() / count

    teacher = torch.randn(6, outputs) / 5
    xs = [torch.randn(64, 6) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(x, (x @ teacher).tanh()) for x in xs],
        kit.train(model, optimizer, mean, amp=torch.float16),
        Expected(("fp16-overflow",), ("loss",), (LOSS,), None, "stalls"),
    )
