"""Prompts are padded on the left: under a causal mask the padding at the beginning may see nothing at all
(huggingface/transformers issues 25311 and 27179).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        b, length, width = x.shape
        q, k, v = self.qkv(x).view(b, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + mask
        return self.o_proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, length, width))


class Decoder(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.self_attn = SelfAttention(width, 2)
        self.norm = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, words)

    def forward(self, ids: Tensor, attention_mask: Tensor, lowest: float) -> Tensor:
        length = ids.shape[1]
        allowed = torch.ones(length, length, dtype=torch.bool).tril() & attention_mask[:, None, None]
        mask = torch.zeros(allowed.shape).masked_fill(~allowed, lowest)
        x = self.embed(ids)
        return self.lm_head(self.norm(x + self.self_attn(x, mask)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(10, 12)
    model = Decoder(words, 16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    lowest = torch.finfo(torch.float32).min if repaired else float("-inf")

    def train_step(batch: Any) -> Tensor:
        ids, mask = batch["input_ids"], batch["attention_mask"]
        logits = model(ids, mask, lowest)[:, :-1]
        labels = ids[:, 1:].masked_fill(~mask[:, 1:], -100)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    follow = torch.randperm(words)
    batches = []
    for number in range(60):
        ids = [torch.randint(words, (8,))]
        for _ in range(9):
            ids.append(follow[ids[-1]])
        mask = torch.ones(8, 10, dtype=torch.bool)
        if number >= step:
            mask[:3, : knobs.randint(1, 4)] = False
        batches.append({"input_ids": torch.stack(ids, 1), "attention_mask": mask})
    expected = Expected(("masked-softmax",), ("forward",), ("self_attn",), step)
    return Scenario(model, optimizer, batches, train_step, expected)
