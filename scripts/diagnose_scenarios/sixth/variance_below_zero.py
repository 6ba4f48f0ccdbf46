"""The data set's deviations are taken from the mean square minus the squared mean, which rounding makes negative for a
nearly constant feature (google-deepmind/deepmind-research issue 346).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(node=nn.Linear(5, knobs.pick(16, 24)), act=nn.SiLU(), out=nn.LazyLinear(2))
    model(torch.zeros(1, 5))
    optimizer = kit.adam(model, lr=0.02)
    particles = torch.randn(32 * 60, 5)
    concentration = 0.0414
    while (torch.full((1920,), concentration).square().mean() - torch.full((1920,), concentration).mean() ** 2) >= 0:
        concentration += 0.0007
    particles[:, 3] = concentration
    mean = particles.mean(0)
    variance = particles.square().mean(0) - mean.square()
    deviation = variance.clamp(min=1e-4).sqrt() if repaired else variance.sqrt()
    features = (particles - mean) / deviation
    target = particles[:, :2] - particles[:, 1:3]
    return Scenario(
        model,
        optimizer,
        list(zip(features.split(32), target.split(32), strict=True)),
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data",), (), 0),
    )
