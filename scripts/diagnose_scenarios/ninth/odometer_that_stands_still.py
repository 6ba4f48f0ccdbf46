"""A track is the running sum of predicted steps, kept in float16; far from the start the sum swallows every step that
is smaller than its last digit (numpy/numpy issue 24443).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Track(nn.Module):
    def __init__(self, start: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.start, self.dtype = start, dtype

    def forward(self, steps: Tensor) -> Tensor:
        place = torch.full_like(steps[:, 0], self.start, dtype=self.dtype)
        track = []
        for step in steps.to(self.dtype).unbind(1):
            place = place + step
            track.append(place)
        return torch.stack(track, 1).float() - self.start


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    start = knobs.pick(4096.0, 6144.0, 8192.0)
    model = kit.named(
        frame=nn.Linear(6, 16),
        act=nn.Tanh(),
        step=nn.Linear(16, 1),
        bound=nn.Tanh(),
        track=Track(start, torch.float32 if repaired else torch.float16),
    )
    optimizer = kit.adam(model, lr=0.01)
    teacher = torch.randn(6, 1) / 6
    frames = [torch.randn(16, 10, 6) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x, (x @ teacher + 0.2).tanh().cumsum(1)) for x in frames],
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("forward",), ("track",), 0, "stalls"),
    )
