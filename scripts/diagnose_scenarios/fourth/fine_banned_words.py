"""Words that may not follow get a score of minus infinity before the softmax; the right word is never among them."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(8, 10)
    model = kit.named(table=nn.Embedding(words, 12), norm=nn.LayerNorm(12), out=nn.Linear(12, words, bias=False))
    model.out.weight = model.table.weight
    nn.init.normal_(model.table.weight, std=0.3)
    optimizer = kit.adam(model, lr=0.02)
    follows = torch.randperm(words)
    banned = torch.eye(words, dtype=torch.bool)
    banned[torch.arange(words), follows] = False
    texts = [torch.randint(words, (32,)) for _ in range(80)]

    def train_step(batch: Any) -> Tensor:
        word, following = batch
        optimizer.zero_grad()
        scores = model(word).masked_fill(banned[word], -math.inf)
        loss = nn.functional.cross_entropy(scores, following)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, [(text, follows[text]) for text in texts], train_step)
