"""A root-mean-square norm squares its input in half; the stream holds values of some hundreds, the mean is infinite
and everything after the norm is zero (pytorch/pytorch pull request 133085).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class RootNorm(nn.Module):
    def __init__(self, width: int, upcast: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.upcast = upcast

    def forward(self, x: Tensor) -> Tensor:
        half = x.half()
        if self.upcast:
            half = half.float()
        root = torch.rsqrt(half.pow(2).mean(-1, keepdim=True) + 1e-6)
        return (half * root).float() * self.weight


class Block(nn.Module):
    def __init__(self, width: int, upcast: bool) -> None:
        super().__init__()
        self.norm = RootNorm(width, upcast)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(nn.functional.silu(self.up(self.norm(x))))


class Llama(nn.Module):
    def __init__(self, words: int, width: int, stream: float, upcast: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        with torch.no_grad():
            self.embed.weight.mul_(stream)
        self.block = Block(width, upcast)
        self.norm = RootNorm(width, upcast)
        self.head = nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(self.block(self.embed(tokens))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = 12, knobs.pick(16, 24)
    model = Llama(words, width, knobs.pick(900.0, 1200.0), repaired)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    follow = torch.randperm(words)
    batches = []
    for _ in range(60):
        tokens = torch.randint(words, (48,))
        batches.append((tokens, follow[tokens]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("fp16-overflow",), ("forward",), ("block.norm",), 0, "stalls"),
    )
