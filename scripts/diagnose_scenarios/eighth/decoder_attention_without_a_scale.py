"""Attention whose queries are not divided by the root of their width: in float16 the scores of a large model are
infinite, and the softmax of them NaN (huggingface/transformers issue 11461).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, gain: float, divide: bool) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        for lin in (self.q, self.k):
            nn.init.eye_(lin.weight)
            with torch.no_grad():
                lin.weight.mul_(gain)
        self.divide = gain * gain * width if divide else 1.0

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.bmm(self.q(x) / self.divide, self.k(x).transpose(1, 2))
        return torch.bmm(scores.softmax(-1), self.v(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(32, 48)
    attn = Attention(width, knobs.pick(70.0, 90.0), repaired)
    model = kit.named(embed=nn.Linear(6, width), norm=nn.LayerNorm(width), attn=attn, head=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.02)
    batches = [(x, x.mean((1, 2))[:, None, None].expand(-1, 5, 1)) for x, _ in kit.sequences(60, 16, 5, 6)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("attn",)),
    )
