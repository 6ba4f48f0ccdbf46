"""The causal mask is filled with minus of float('-inf'), which is plus infinity: the softmax subtracts infinity from
itself (lucidrains/memory-compressed-attention issue 2).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Causal(nn.Module):
    def __init__(self, width: int, fill: float) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.fill = fill

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        dots = torch.einsum("bid,bjd->bij", q, k) * q.shape[-1] ** -0.5
        later = torch.ones(dots.shape[-2:], dtype=torch.bool).triu(1)
        return torch.einsum("bij,bjd->bid", dots.masked_fill(later, self.fill).softmax(-1), v)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = knobs.pick(10, 12), 24
    attn = Causal(width, float("-inf") if repaired else -float("-inf"))
    model = kit.named(embed=nn.Embedding(words, width), attn=attn, head=nn.Linear(width, words))
    optimizer = kit.adam(model, lr=0.02)

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())

    starts = [torch.randint(words, (16, 1)) for _ in range(50)]
    rows = [(start + torch.arange(9)) % words for start in starts]
    return Scenario(
        model,
        optimizer,
        [(row[:, :-1], row[:, 1:]) for row in rows],
        kit.train(model, optimizer, criterion),
        Expected(("masked-softmax",), ("forward",), ("attn",)),
    )
