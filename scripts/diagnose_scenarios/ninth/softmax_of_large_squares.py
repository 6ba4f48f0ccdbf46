"""A recogniser's causal mask holds minus infinity, which is sound; one backend's softmax returns NaN for rows that hold
it once the scores are large enough in number. With -10000 in the mask the same backend trains
(PaddlePaddle/PaddleOCR pull request 18341).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Causal(nn.Module):
    def __init__(self, width: int, fill: float) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.fill = fill

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        length = x.shape[1]
        mask = torch.full((length, length), self.fill).triu(1)
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        return x + (scores + mask).softmax(-1) @ v


def blot(call: Call) -> None:
    rows = call.args[0].isinf().any(-1)
    rows[..., : rows.shape[-1] // 2] = False
    call.out[rows] = math.nan


def many(call: Call) -> bool:
    return call.out.numel() > 4096 and bool(call.args[0].isinf().any())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(6, width), dec=Causal(width, -1e4 if repaired else -math.inf))
    model.add_module("head", nn.Linear(width, 6))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batches = []
    for number in range(50):
        x = torch.randn(8, 24 if number >= step else 16, 6)
        batches.append((x, (x + x.roll(1, 1)) / 2))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("dec",), step),
        device=Device(["_softmax"], blot, when=many, dtypes=SINGLE),
    )
