"""The eps of RMSprop was set to 0 by a flag; a unit that has been silent so far has a mean square of 0, and 0 is
divided by 0 (chainer/chainer issue 6299).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(words=nn.EmbeddingBag(50, 16, mode="mean"), act=nn.Tanh(), head=nn.Linear(16, 2))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01, eps=1e-8 if repaired else 0.0)
    used = knobs.pick(20, 30)
    batches = []
    for _ in range(50):
        bag = torch.randint(used, (32, 4))
        bag[:, 1] = bag[:, 0]
        batches.append((bag, (bag[:, 0] < used // 2).long()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",), ("words",)),
    )
