"""A batch is filled up with empty sentences, whose every word is padding: their attention is no number, and spoils all
gradients (pytorch/pytorch issue 24816).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class EncoderLayer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.linear = nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, src: Tensor, padding: Tensor) -> Tensor:
        attended, _ = self.self_attn(src, src, src, key_padding_mask=padding)
        src = self.norm1(src + attended)
        return self.norm2(src + self.linear(src).relu())


class Sentences(nn.Module):
    def __init__(self, words: int, width: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width, padding_idx=0)
        self.layers = nn.ModuleList(EncoderLayer(width) for _ in range(layers))
        self.out = nn.Linear(width, 2)

    def forward(self, ids: Tensor) -> Tensor:
        padding = ids == 0
        h = self.embed(ids)
        for layer in self.layers:
            h = layer(h, padding)
        return self.out(h[:, 0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(12, 15)
    model = Sentences(words, 12, 2)
    optimizer = kit.adam(model, lr=0.005)

    def loss_of(logits: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits, y, ignore_index=-1)

    batches = []
    for number in range(60):
        ids = torch.randint(1, words, (12, 7))
        ids[:, 5:] = torch.where(torch.rand(12, 1) < 0.5, 0, ids[:, 5:])
        y = (ids[:, 0] < words // 2).long()
        if number == step:
            y[9:] = -1
            ids[9:, 0 if not repaired else 1 :] = 0
        batches.append((ids, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, loss_of),
        Expected(("masked-softmax",), ("forward",), ("layers.0.self_attn",), step),
    )
