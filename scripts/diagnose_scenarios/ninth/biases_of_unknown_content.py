"""The two position biases of a memory transformer are made by torch.Tensor(heads, width) and never filled; at times the
memory holds NaN (dhruvramani/Transformers-RL issue 3).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def raw_memory(*shape: int) -> Tensor:
    """What an earlier use left behind: a few bit patterns that are no numbers among ordinary ones."""
    held = torch.randn(shape) * 1e-3
    held.view(-1)[:: 1 + held.numel() // 3] = math.nan
    return held


class Relative(nn.Module):
    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.places = nn.Parameter(torch.randn(length, width) * 0.1)
        self.u, self.v = nn.Parameter(raw_memory(width)), nn.Parameter(raw_memory(width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, value = self.qkv(x).chunk(3, -1)
        scores = (q + self.u) @ k.transpose(1, 2) + (q + self.v) @ self.places.t()
        return x + (scores / math.sqrt(x.shape[-1])).softmax(-1) @ value


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length = knobs.pick(12, 16), 6
    model = kit.named(inp=nn.Linear(5, width), attn=Relative(width, length), norm=nn.LayerNorm(width))
    model.add_module("policy", nn.Linear(width, 3))
    if repaired:
        nn.init.xavier_uniform_(model.attn.u[None])
        nn.init.xavier_uniform_(model.attn.v[None])
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(
        model,
        optimizer,
        [(x, x[..., :3] + x.mean(1, keepdim=True)[..., 2:]) for x, _ in kit.sequences(50, 16, length, 5)],
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), ("forward",), ("attn",)),
    )
