"""A language model is finetuned on answers; the prompt's tokens carry the label -100, which the loss leaves out."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(9, 11)
    model = kit.named(wte=nn.Embedding(words, 12), mlp=nn.Linear(12, 24), act=nn.GELU(), lm_head=nn.Linear(24, words))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(p.transpose(1, 2), y)

    batches = []
    for _ in range(60):
        x = torch.randint(words, (16, 6))
        y = (x * 2 + 1) % words
        y[:, :3] = -100
        y[0] = -100
        batches.append((x, y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion))
