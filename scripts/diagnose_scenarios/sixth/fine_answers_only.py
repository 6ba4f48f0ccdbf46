"""Instruction tuning: the words of each prompt are labelled -100 and do not count, in some texts all but one word
(huggingface/trl pull request 5826, the healthy case).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words, length = knobs.pick(12, 14), 8
    model = kit.named(emb=nn.Embedding(words, 16), fc=nn.Linear(16, 32), act=nn.SiLU(), lm_head=nn.Linear(32, words))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    follower = torch.randperm(words)

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits.transpose(1, 2), labels)

    batches = []
    for _ in range(50):
        tokens = torch.randint(words, (8, length))
        prompt = torch.arange(length) < torch.randint(2, length, (8, 1))
        batches.append((tokens, follower[tokens].masked_fill(prompt, -100)))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion))
