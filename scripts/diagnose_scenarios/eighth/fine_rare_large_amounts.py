"""Amounts with a heavy tail are taken as logarithms, as targets of a Huber loss."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(24, 32), 1)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for x, y in kit.regression(60, 32, 6):
        amount = (y + 0.1 * torch.randn(32, 1).abs() ** 3).exp() * 1000
        batches.append((x, (1 + amount).log() - 7))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, nn.functional.huber_loss))
