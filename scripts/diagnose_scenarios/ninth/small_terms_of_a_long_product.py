"""A matrix product keeps its running sum in float16: once the sum is in the thousands, terms below 1 are dropped
without a word, although the whole is small again at the end (NVIDIA/cutlass issue 1188).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Offset(nn.Module):
    """Inputs come on a pedestal that the last column takes away again."""

    def __init__(self, inputs: int, width: int, level: float) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs + 2, width)
        with torch.no_grad():
            self.lin.weight[:, 0] = level
            self.lin.weight[:, -1] = -level

    def forward(self, x: Tensor) -> Tensor:
        ones = torch.ones(x.shape[0], 1)
        return self.lin(torch.cat([ones, x, ones], 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(pedestal=Offset(6, 12, knobs.pick(4100.0, 5200.0)), act=nn.Tanh(), head=nn.Linear(12, 3))
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.classes(40, 32, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("pedestal",), 0, "stalls"),
        device=contextlib.nullcontext if repaired else HalfSums(1),
    )
