"""A square root at 0 is hidden by where, and its argument was replaced before: value and gradient are finite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        inp=nn.Linear(6, knobs.pick(12, 16), bias=False), act=nn.Tanh(), head=nn.LazyLinear(2, bias=False)
    )
    batches = [(x * (torch.rand(16, 1) < 0.8), y) for x, y in kit.regression(70, 16, 6, 2)]
    batches = [(x, (2 * x[:, :1].square() + x[:, 1:2].square()).sqrt()) for x, _ in batches]
    model(batches[0][0])
    optimizer = kit.adam(model, lr=0.02)

    def length(vectors: Tensor, wanted: Tensor) -> Tensor:
        squared = vectors.square().sum(1, keepdim=True)
        safe = torch.where(squared > 0, squared, torch.ones_like(squared))
        return kit.squares(torch.where(squared > 0, safe.sqrt(), torch.zeros_like(squared)), wanted)

    return Scenario(model, optimizer, batches, kit.train(model, optimizer, length))
