"""An embedding with sparse gradients under SparseAdam."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = knobs.pick(20, 40), knobs.pick(4, 8)
    model = kit.named(table=nn.Embedding(words, width, sparse=True))
    optimizer = torch.optim.SparseAdam(model.parameters(), lr=0.05)
    meanings = torch.randn(words, width)
    indices = [torch.randint(words, (16,)) for _ in range(80)]
    return Scenario(model, optimizer, [(i, meanings[i]) for i in indices], kit.train(model, optimizer, kit.squares))
