"""Positions in a text as running sums of durations in milliseconds, in float16: a long text passes 65504."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Clock(nn.Module):
    def __init__(self, single: bool) -> None:
        super().__init__()
        self.single = single

    def forward(self, raw: Tensor) -> Tensor:
        milliseconds = 500 * nn.functional.softplus(raw.float() if self.single else raw)
        ends = milliseconds.cumsum(1)
        return (ends / ends[:, -1:]).squeeze(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    width = knobs.pick(12, 16)
    model = kit.named(enc=nn.Linear(5, width), act=nn.Tanh(), rate=nn.Linear(width, 1), clock=Clock(repaired))
    optimizer = kit.adam(model, lr=0.03)
    teacher = torch.randn(5, 1)

    def text(length: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(8, length, 5)
        ends = (2 * x @ teacher).exp().cumsum(1)
        return x, (ends / ends[:, -1:]).squeeze(-1)

    lengths = [knobs.pick(20, 30) for _ in range(80)]
    lengths[step] = knobs.pick(400, 500)
    return Scenario(
        model,
        optimizer,
        [text(length) for length in lengths],
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("clock",), step),
    )
