"""A rare token drives the last product of a feed-forward block past 65504 under autocast to float16
(huggingface/transformers issue 5651).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int, single: bool) -> None:
        super().__init__()
        self.wi, self.wo = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, width, bias=False)
        self.single = single

    def forward(self, x: Tensor) -> Tensor:
        h = self.wi(x).relu()
        if self.single:
            with torch.autocast("cpu", enabled=False):
                return self.wo(h.float())
        return self.wo(h)


class Net(nn.Module):
    def __init__(self, words: int, width: int, single: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.ff = FeedForward(width, 64, single)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)

    def forward(self, words: Tensor) -> Tensor:
        x = self.embed(words)
        return self.head(self.norm(x.float() + self.ff(x)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(20, 30)
    model = Net(words, 16, repaired)
    with torch.no_grad():
        model.ff.wi.weight.mul_(12)
        model.ff.wo.weight.mul_(12)
        model.embed.weight[0] = 3000 * torch.randn(16).sign()
    optimizer = kit.adam(model, lr=0.01)
    scaler = kit.new_scaler(2.0**10)
    batches = []
    for number in range(60):
        text = torch.randint(1, words, (16, 6))
        text[:, 1] = text[:, 0]
        if number == step:
            text[knobs.randint(0, 15), 4] = 0
        batches.append((text, (text[:, 0] > words // 2).long()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("ff", "ff.wo"), step),
        scaler=scaler,
    )
