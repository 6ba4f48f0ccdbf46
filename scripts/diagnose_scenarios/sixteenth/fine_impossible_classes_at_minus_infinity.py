"""Logits of classes that cannot occur are minus infinity, and no label ever names one: loss and gradient are finite."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(5, 7)
    model = kit.mlp(8, knobs.pick(16, 24), count)
    optimizer = kit.sgd(model, lr=0.1)
    never = torch.zeros(count, dtype=torch.bool)
    never[-2:] = True

    def criterion(logits: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits.masked_fill(never, -math.inf), y)

    return Scenario(model, optimizer, kit.classes(60, 16, 8, count - 2), kit.train(model, optimizer, criterion))
