"""Most tokens carry the label -100, which the cross-entropy ignores; every batch keeps some that count."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(10, 14)
    model = kit.named(words=nn.Embedding(words, 12), act=nn.Tanh(), out=nn.Linear(12, words), flat=nn.Flatten(0, 1))
    optimizer = kit.adam(model, lr=0.05)
    batches = []
    for _ in range(80):
        tokens = torch.randint(words, (6, 9))
        labels = ((2 * tokens + 1) % words).masked_fill(torch.rand(6, 9) < 0.8, -100)
        labels[0, 0] = (2 * tokens[0, 0] + 1) % words
        batches.append((tokens, labels.flatten()))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
