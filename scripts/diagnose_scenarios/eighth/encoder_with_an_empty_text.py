"""One text of a batch is empty after cleaning, so that every key of it is padding for the encoder layer
(pytorch/pytorch issue 41508).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width, padding_idx=0)
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.head = nn.Linear(width, 2)

    def forward(self, words: Tensor) -> Tensor:
        x = self.embed(words)
        h = self.attn(x, x, x, key_padding_mask=words == 0)[0]
        return self.head(x[:, 0] + h.mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(20, 30)
    model = Reader(words, 16)
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number in range(60):
        text = torch.randint(1, words, (16, 7))
        y = (text[:, 0] > words // 2).long()
        text[torch.arange(7) >= torch.randint(2, 8, (16, 1))] = 0
        if number == step:
            text[knobs.randint(0, 15), (1 if repaired else 0) :] = 0
        batches.append((text, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("masked-softmax",), ("forward",), ("attn",), step),
    )
