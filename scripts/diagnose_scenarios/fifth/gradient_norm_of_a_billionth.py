"""A language model is fine-tuned with precision 16 where bfloat16 was meant, its loss divided by all tokens of a vast
global batch: the gradient norm is about 1e-9 and the loss stays (NVIDIA-NeMo/Speech issue 12102).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(nn.functional.silu(self.up(self.norm(x))))


class LM(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.block = Block(width)
        self.head = nn.Linear(width, words)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.block(self.embed(ids)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, tokens = knobs.pick(20, 24), knobs.pick(6e7, 8e7)
    model = LM(words, 16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, eps=1e-15)

    def train_step(batch: Any) -> Tensor:
        ids, after = batch
        optimizer.zero_grad()
        with kit.autocast(torch.bfloat16 if repaired else torch.float16):
            logits = model(ids)
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), after.flatten(), reduction="sum") / tokens
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    follow = torch.randperm(words)
    texts = [torch.randint(words, (16, 12)) for _ in range(60)]
    expected = Expected(("gradient-underflow",), ("backward",), (), None, "stalls")
    return Scenario(model, optimizer, [(ids, follow[ids]) for ids in texts], train_step, expected)
