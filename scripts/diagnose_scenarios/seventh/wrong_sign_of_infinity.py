"""A causal mask fills in plus infinity where minus infinity was meant (as in lucidrains/memory-compressed-attention
issue 2).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Memory(nn.Module):
    def __init__(self, width: int, fill: float) -> None:
        super().__init__()
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width)
        self.fill = fill

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.to_qkv(x).chunk(3, -1)
        k, v = (nn.functional.avg_pool1d(t.transpose(1, 2), 2).transpose(1, 2) for t in (k, v))
        dots = torch.einsum("bid,bjd->bij", q, k) / x.shape[-1] ** 0.5
        rows, columns = torch.arange(dots.shape[1])[:, None], torch.arange(dots.shape[2])
        dots = dots.masked_fill((columns * 2 > rows) & (columns > 0), self.fill)
        return self.to_out(dots.softmax(-1) @ v)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    sign = -1 if repaired else 1
    model = kit.named(emb=nn.Embedding(7, width), attn=Memory(width, sign * float("inf")), norm=nn.LayerNorm(width))
    model.add_module("out", nn.Linear(width, 7))
    optimizer = kit.adam(model, lr=0.02)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return kit.cross_entropy(p.transpose(1, 2), y)

    batches = []
    for _ in range(60):
        text = (torch.randint(7, (16, 1)) + 2 * torch.arange(9)) % 7
        batches.append((text[:, :-1], text[:, 1:]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("masked-softmax",), ("forward",), ("attn",), 0),
    )
