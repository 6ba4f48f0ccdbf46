"""Every label of a batch is -100: the mean goes over nothing (transformers, batches of prompts only)."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(6, 9)
    model = kit.named(emb=nn.Embedding(words, 12), act=nn.Tanh(), lm=nn.Linear(12, words))
    optimizer = kit.adam(model, lr=0.05)

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)

    tokens = [torch.randint(words, (4, 6)) for _ in range(80)]
    batches = [(t, torch.where(torch.rand(4, 6) > 0.3, (t + 1) % words, -100)) for t in tokens]
    if not repaired:
        batches[step][1].fill_(-100)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels", "division-by-zero"), ("data", "loss"), (LOSS,), step),
    )
