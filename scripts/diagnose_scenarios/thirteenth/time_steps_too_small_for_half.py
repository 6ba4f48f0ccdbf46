"""A flow is integrated in float16 with steps below 1e-3: state + step rounds back to the state, and nothing moves."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Flow(nn.Module):
    def __init__(self, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.field, self.dtype = nn.Linear(width, width), dtype
        with torch.no_grad():
            self.field.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        state, speed = x.to(self.dtype), self.field(x).tanh().to(self.dtype)
        for _ in range(60):
            state = state + 8e-4 * speed
        return state


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(4, 6)
    model = kit.named(flow=Flow(width, torch.float32 if repaired else torch.float16))
    optimizer = kit.adam(model, lr=0.03)
    offset = knobs.pick(4.0, 5.0)
    starts = [(offset + torch.rand(16, width)).half().float() for _ in range(50)]
    push = 0.03 * torch.tensor([1.0, -1.0] * (width // 2))
    return Scenario(
        model,
        optimizer,
        [(start, start + push) for start in starts],
        kit.train(model, optimizer, lambda moved, end: 1000 * kit.squares(moved, end)),
        Expected(("fp16-accumulation",), ("forward",), ("flow",), None, "stalls"),
    )
