"""A decay between 10 and 100 that worked under one library's Adam is given to SGD with momentum (tflearn/tflearn issue
772).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        emb=nn.EmbeddingBag(20, 12, mode="mean"), fc=nn.Linear(12, 16), act=nn.LeakyReLU(0.2), out=nn.Linear(16, 1)
    )
    decay = 0.001 if repaired else knobs.pick(60.0, 80.0)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9, weight_decay=decay)
    worth = torch.randn(20)
    bags = [torch.randint(20, (32, 5)) for _ in range(120)]
    return Scenario(
        model,
        optimizer,
        [(bag, worth[bag].mean(1, keepdim=True)) for bag in bags],
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None),
    )
