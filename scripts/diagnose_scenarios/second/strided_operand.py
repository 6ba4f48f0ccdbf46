"""A product is wrong for an operand that is a strided view; the same numbers laid out plainly give the right result."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Heads(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.key = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        k = self.key(x)
        return torch.bmm(k, k.transpose(1, 2)).mean(2, keepdim=True) + k


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = Heads(width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.heads(x).mean(1))


def is_strided(call: Call) -> bool:
    return call.out.shape[1:] == (7, 7) and not call.args[1].is_contiguous()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.randint(0, 5), knobs.pick(6, 8)
    model = Net(width)
    optimizer = kit.adam(model)
    teacher = torch.randn(width, 1) * 2
    xs = [torch.randn(8, 5 if number < step else 7, width) for number in range(60)]
    bad = Device(["bmm"], put(float("nan"), (0, 0, 0)), when=is_strided, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        [(x, x.mean(1) @ teacher) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("heads",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
