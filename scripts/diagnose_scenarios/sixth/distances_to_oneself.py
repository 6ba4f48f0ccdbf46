"""All distances within a batch, by hand, for triplets of the hardest neighbours; on the diagonal stands the root of 0,
and masking it afterwards does not mask its slope (tilman151/rul-adapt pull request 22).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(fc1=nn.Linear(8, knobs.pick(16, 24)), act=nn.ReLU(), emb=nn.LazyLinear(4))
    model(torch.zeros(1, 8))
    optimizer = kit.adam(model, lr=0.01)
    eps = 1e-12 if repaired else 0.0

    def hardest(embedded: Tensor, labels: Tensor) -> Tensor:
        distance = ((embedded[:, None] - embedded[None]).square().sum(-1) + eps).sqrt()
        same = labels[:, None] == labels[None]
        furthest = (distance * same * (1 - torch.eye(len(labels)))).amax(1)
        nearest = (distance + 1e3 * same).amin(1)
        return nn.functional.softplus(furthest - nearest).mean()

    return Scenario(
        model,
        optimizer,
        kit.classes(60, 24, 8, 3),
        kit.train(model, optimizer, hardest),
        Expected(("singular-gradient",), ("backward",), (LOSS,), 0),
    )
