"""A convolution in three dimensions written as slices of two: the backend reads a sliced weight as if it lay in one
piece (pytorch/pytorch issue 192212).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Temporal(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3, 3) / (27 * inputs) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return sum(nn.functional.conv2d(x[:, :, k], self.weight[:, :, k], padding=1) for k in range(3))


def misread(call: Call) -> None:
    call.out[:, -1] = math.inf


def sliced(call: Call) -> bool:
    weight = call.args[1]
    return weight.dim() == 4 and not weight.is_contiguous() and weight.stride(0) == 3 * weight[0].numel()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(4, 6)
    model = kit.named(
        temporal=Temporal(2, width),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.Linear(width * 36, 3),
    )
    optimizer = kit.adam(model, lr=0.01)
    patterns = torch.randn(3, 2, 3, 6, 6)
    labels = [torch.randint(3, (12,)) for _ in range(50)]
    bad = Device(["convolution"], misread, when=sliced, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        [(patterns[y] + 0.3 * torch.randn(12, 2, 3, 6, 6), y) for y in labels],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("temporal",)),
        device=contextlib.nullcontext if repaired else bad,
    )
