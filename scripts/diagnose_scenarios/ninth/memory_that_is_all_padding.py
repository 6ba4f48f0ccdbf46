"""A decoder attends to a memory with a padding mask; one example's memory is padding from end to end, every key of it
is left out, and the attention has nothing to normalise (pytorch/pytorch issue 103749).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width, padding_idx=0)
        self.cross = nn.MultiheadAttention(width, 2, batch_first=True)
        self.query = nn.Parameter(torch.randn(1, 1, width))
        self.head = nn.Linear(width, 2)

    def forward(self, text: Tensor, keep_first: bool) -> Tensor:
        padding = text == 0
        if keep_first:
            padding = padding & (torch.arange(text.shape[1]) > 0)
        memory = self.embed(text)
        found, _ = self.cross(self.query.expand(text.shape[0], -1, -1), memory, memory, key_padding_mask=padding)
        return self.head(found.squeeze(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), 16
    model = Reader(words, knobs.pick(12, 16))
    optimizer = torch.optim.RAdam(model.parameters(), lr=0.02)

    def train_step(batch: Any) -> Tensor:
        text, label = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(text, repaired), label)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        text = torch.randint(1, words, (16, 6))
        text[:, 1:3] = text[:, :1]
        for row in text:
            row[knobs.randint(3, 6) :] = 0
        label = (text[:, 0] < words // 2).long()
        if number == step:
            text[knobs.randint(0, 15)] = 0
        batches.append((text, label))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("cross",), step)
    )
