"""The vendor's bfloat16 batched product is infinite in its last matrix for 12 matrices and more; without the vendor's
library it is right.
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import LOW, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Mixer(nn.Module):
    """A matrix of its own for every group of channels."""

    def __init__(self, groups: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(groups, width, width) / width**0.5)

    def forward(self, x: Tensor) -> Tensor:
        b = x.shape[0]
        parts = x.view(b, len(self.weight), -1).transpose(0, 1)
        return torch.bmm(parts, self.weight).transpose(0, 1).reshape(b, -1).relu()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    groups, width = knobs.pick(12, 14), 4
    model = kit.named(inp=nn.Linear(8, groups * width), mix=Mixer(groups, width), head=nn.Linear(groups * width, 3))
    optimizer = kit.adam(model)

    def is_vendors(call: Call) -> bool:
        return call.out.shape[0] >= 12 and torch.backends.mkldnn.enabled

    bad = Device(["bmm"], put(math.inf, (-1, 0, 0)), when=is_vendors, dtypes=LOW)
    return Scenario(
        model,
        optimizer,
        kit.classes(40, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
        Expected(("library",), ("forward",), ("mix",)),
        device=contextlib.nullcontext if repaired else bad,
    )
