"""Positions are counted by a running sum in float16, which stands still at 2048: all later events get one and the
same time.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Clock(nn.Module):
    """Time of each event, from the gaps between events."""

    def __init__(self, kind: torch.dtype) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, gaps: Tensor) -> Tensor:
        now = torch.zeros(gaps.shape[0], dtype=self.kind)
        times = []
        for gap in gaps.unbind(1):
            now = now + gap.to(self.kind)
            times.append(now)
        return torch.stack(times, 1).float()


class Model(nn.Module):
    def __init__(self, width: int, start: float, kind: torch.dtype) -> None:
        super().__init__()
        self.start = start
        self.clock = Clock(kind)
        self.inp = nn.Linear(1, width)
        self.head = nn.Linear(width, 1)
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.zero_()

    def forward(self, gaps: Tensor) -> Tensor:
        times = self.clock(gaps)[:, 1:] - self.start
        return self.head(torch.tanh(self.inp(times[..., None] / 20)))[..., 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    start, events = knobs.pick(2048.0, 4096.0), knobs.pick(24, 30)
    model = Model(12, start, torch.float32 if repaired else torch.float16)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(60):
        gaps = torch.rand(8, events) * 0.9
        gaps[:, 0] = start
        times = gaps[:, 1:].cumsum(1)
        batches.append((gaps, (times / 3 - events / 12).tanh()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("forward",), ("clock",), None, "stalls"),
    )
