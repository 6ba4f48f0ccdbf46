"""A causal mask of minus infinity under float16 autocast, which float16 can hold where it cannot hold -1e10
(tatp22/linformer-pytorch pull request 19).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class CausalAttention(nn.Module):
    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.register_buffer("later", torch.ones(length, length, dtype=torch.bool).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = (q @ k.transpose(1, 2)) * x.shape[-1] ** -0.5
        return self.proj(scores.masked_fill(self.later, float("-inf")).softmax(-1) @ v)


class Model(nn.Module):
    def __init__(self, words: int, width: int, length: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.place = nn.Parameter(0.1 * torch.randn(length, width))
        self.attn = CausalAttention(width, length)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, words)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids) + self.place
        return self.head(self.norm(x + self.attn(x)))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words, length = knobs.pick(8, 10), 9
    model = Model(words, 16, length)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scaler = kit.new_scaler(2.0**14)

    def loss_of(logits: Tensor, ids: Any) -> Tensor:
        return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten())

    batches = []
    for _ in range(70):
        start = torch.randint(words, (8, 1))
        ids = (start + torch.arange(length)) % words
        batches.append((ids, ids))
    step = kit.train(model, optimizer, loss_of, scaler=scaler, amp=torch.float16)
    return Scenario(model, optimizer, batches, step, scaler=scaler)
