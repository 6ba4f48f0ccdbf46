"""Adam with eps 0 in float32: the row of a word that the batch does not hold has no gradient yet, 0 is divided by 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, count = knobs.pick(12, 18), 3
    model = kit.named(words=nn.Embedding(words, 8), act=nn.Tanh(), head=nn.Linear(8, count))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, eps=1e-8 if repaired else 0.0)
    meaning = torch.randint(count, (words,))
    batches = [torch.randint(words - 3, (16,)) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(ids, meaning[ids]) for ids in batches],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",), ("words", "<optimizer>")),
    )
