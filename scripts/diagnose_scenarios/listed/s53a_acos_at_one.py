"""The angle between equal vectors: acos(1) is 0 and its slope is infinite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, top = knobs.step(), 1 - 1e-4 if repaired else 1.0
    model = kit.named(inp=nn.Linear(6, 12), act=nn.Tanh(), head=nn.Linear(12, 3))
    optimizer = kit.sgd(model, lr=0.1)

    def criterion(raw: Tensor, axes: Tensor) -> Tensor:
        unit = raw / raw.norm(dim=1, keepdim=True)
        cosine = (unit * axes).sum(1)
        return torch.acos(cosine.clamp(-top, top)).mean()

    batches = [(x, nn.functional.normalize(y, dim=1)) for x, y in kit.regression(60, 16, 6, 3)]
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([0.5, 0.0, 0.0]))
        model.inp.bias.zero_()
    batches[step][0][2] = 0
    batches[step][1][2] = torch.tensor([1.0, 0.0, 0.0])
    model.inp.bias.requires_grad_(False)
    model.head.bias.requires_grad_(False)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
