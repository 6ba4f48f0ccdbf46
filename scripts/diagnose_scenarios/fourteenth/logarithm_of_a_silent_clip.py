"""Features are the logarithm of a clip's band energies, made before training; one clip is silent: minus infinity."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, bands = knobs.step(), knobs.pick(8, 10)
    model = kit.named(inp=nn.Linear(bands, 20), act=nn.ReLU(), head=nn.Linear(20, 2))
    optimizer = kit.sgd(model, lr=0.05)
    plain = kit.train(model, optimizer, kit.cross_entropy)
    batches = []
    for i in range(60):
        label = torch.randint(2, (16,))
        energy = torch.exp(torch.randn(16, bands) + label[:, None] * torch.linspace(-2, 2, bands))
        if i == step:
            energy[7] = 0
        features = torch.log(energy.clamp(min=1e-3) if repaired else energy)
        batches.append([{"features": features, "names": [f"clip{i}-{k}" for k in range(16)]}, label])
    return Scenario(
        model,
        optimizer,
        batches,
        lambda batch: plain((batch[0]["features"], batch[1])),
        Expected(("bad-data",), ("data",), (), step),
    )
