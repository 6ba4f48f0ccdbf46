"""A causal mask of minus infinity, added to a learnt bias over distances: half of the scores are infinite, rightly."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Causal(nn.Module):
    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.bias = nn.Parameter(torch.zeros(length))

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[1]
        q, k, v = self.qkv(x).chunk(3, -1)
        place = torch.arange(n)
        gap = (place[:, None] - place[None, :]).clamp(min=0)
        future = torch.full((n, n), -math.inf).triu(1)
        return (q @ k.transpose(1, 2) / x.shape[-1] ** 0.5 + self.bias[gap] + future).softmax(-1) @ v


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length = knobs.pick(8, 12), knobs.pick(6, 9)
    model = kit.named(inp=nn.Linear(3, width), attn=Causal(width, length), head=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)
    xs = [torch.randn(12, length, 3) for _ in range(70)]
    ranks = torch.arange(1, length + 1)[None, :, None]
    return Scenario(
        model,
        optimizer,
        [(x, (x[..., :1].cumsum(1) / ranks + 0.5)) for x in xs],
        kit.train(model, optimizer, kit.squares),
    )
