"""Layers under spectral and weight normalisation, whose weights are made anew in every forward pass."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(
        inp=nn.utils.parametrizations.spectral_norm(nn.Linear(8, width)),
        act=nn.LeakyReLU(0.2),
        head=nn.utils.parametrizations.weight_norm(nn.Linear(width, 3)),
    )
    optimizer = kit.adam(model, lr=0.02, betas=(0.0, 0.9))
    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
