"""The second layer of a feed-forward block gives 66,000 in float16, little more than the format holds (as in
huggingface/transformers issue 5651).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.wi = nn.Linear(width, hidden, bias=False)
        self.wo = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(self.wi(x).relu())


class T5(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(12, width)
        self.ff = FeedForward(width, hidden)
        self.norm = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, 12)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.lm_head(self.norm(self.embed(tokens).float() + self.ff(self.embed(tokens)).float()))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = T5(16, 32)
    with torch.no_grad():
        model.ff.wi.weight.mul_(30.0)
        model.ff.wo.weight.mul_(knobs.pick(6e3, 1e4))
    optimizer = kit.adam(model, lr=0.03)
    batches = [(x, (x + 5) % 12) for x in (torch.randint(12, (32,)) for _ in range(50))]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16 if repaired else torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("ff.wo",), 0),
    )
