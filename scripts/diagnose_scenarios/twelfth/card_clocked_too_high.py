"""One net for faces stops with a misaligned address on a card that has run games and other nets at the same raised
clock for years; at a lower clock it trains (NVlabs/stylegan2-ada-pytorch issue 264).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Synthesis(nn.Module):
    def __init__(self, code: int, width: int) -> None:
        super().__init__()
        self.mapping = nn.Linear(code, 4 * width)
        self.up = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.rgb = nn.Conv2d(width, 3, 1)

    def forward(self, code: Tensor) -> Tensor:
        h = self.mapping(code).unflatten(1, (-1, 2, 2)).relu()
        return self.rgb(self.up(h).relu())


def misaligned(call: Call) -> None:
    raise RuntimeError("CUDA error: misaligned address")


def transposed(call: Call) -> bool:
    return bool(call.args[6])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(5, 30)
    model = Synthesis(5, knobs.pick(8, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.0, 0.99))
    faces = torch.randn(5, 48)
    batches = []
    for _ in range(45):
        code = torch.randn(16, 5)
        batches.append((code, (code @ faces).view(16, 3, 4, 4)))
    bad = Device(["convolution"], misaligned, when=transposed, dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("up",), step, "raises"),
        device=contextlib.nullcontext if repaired else bad,
    )
