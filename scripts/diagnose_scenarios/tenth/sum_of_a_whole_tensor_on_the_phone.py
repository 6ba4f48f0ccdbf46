"""A library for phones adds all entries of a float16 tensor in float16, one after the other: past a few thousand each
further entry is dropped, and the end of a long recording counts for nothing (cactus-compute/cactus pull request 344).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def one_after_the_other(call: Call) -> None:
    x = call.args[0].flatten(1) if call.out.dim() else call.args[0].flatten()[None]
    total = torch.zeros(len(x), dtype=torch.float16)
    for column in x.unbind(1):
        total = (total + column).half()
    call.out.copy_(total.view_as(call.out))


class Level(nn.Module):
    def __init__(self, width: int, offset: float) -> None:
        super().__init__()
        self.inp = nn.Linear(1, width)
        self.head = nn.Linear(width, 1)
        self.offset = offset

    def forward(self, recording: Tensor) -> Tensor:
        total = (recording.half() + self.offset).sum(1).float()
        level = total / recording.shape[1] - self.offset
        return self.head(self.inp(20 * level[:, None]).tanh())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length, offset = 512, knobs.pick(16.0, 32.0)
    model = kit.named(level=Level(12, offset))
    nn.init.zeros_(model.level.head.weight)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(40):
        level = torch.randn(32, 1)
        late = torch.arange(length) >= length // 2
        batches.append((0.1 * level * late + 0.02 * torch.randn(32, length), level))
    bad = Device(["sum"], one_after_the_other, when=lambda call: call.args[0].dim() == 2)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("forward",), ("level",), None, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
