"""Each row of scores is minus infinity but for the tokens so far; the first still sees the token of the start."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.start = nn.Linear(width, 3 * width), nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.start.expand(len(x), -1, -1), x], 1)
        q, k, v = self.qkv(x).chunk(3, -1)
        n = x.shape[1]
        scores = (q @ k.transpose(1, 2)) * x.shape[-1] ** -0.5
        hidden = torch.ones(n, n).triu(1).bool()
        return x[:, 1:] + (scores.masked_fill(hidden, -math.inf).softmax(-1) @ v)[:, 1:]


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = knobs.pick(8, 12), knobs.pick(12, 16)
    model = kit.named(
        words=nn.Embedding(words, width), block=Block(width), out=nn.Linear(width, words), flat=nn.Flatten(0, 1)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    texts = [torch.randint(words, (8, 7)) for _ in range(60)]
    batches = [(t, ((t + 1) % words).flatten()) for t in texts]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16))
