"""A measure of intelligibility takes the length of each band as the root of its energy; where the enhanced sound is
silent in a band the root has no slope (mpariente/pytorch_stoi issue 7).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Enhancer(nn.Module):
    def __init__(self, bins: int, width: int) -> None:
        super().__init__()
        self.inp = nn.Conv1d(bins, width, 3, padding=1)
        self.mask = nn.Conv1d(width, bins, 1)

    def forward(self, noisy: Tensor) -> Tensor:
        return noisy * torch.sigmoid(self.mask(self.inp(noisy).relu()))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, bands, each = knobs.randint(2, 13), 4, 3
    bins = bands * each
    model = Enhancer(bins, knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.03)

    def band(spectrum: Tensor) -> Tensor:
        energy = spectrum.square().unflatten(1, (bands, each)).sum(2)
        return (energy + 1e-8).sqrt() if repaired else energy.sqrt()

    def train_step(batch: Any) -> Tensor:
        noisy, clean = batch
        optimizer.zero_grad()
        x, y = band(model(noisy)), band(clean)
        loss = ((x - y) / (y.mean(2, keepdim=True) + 1e-3)).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(70):
        clean = torch.rand(8, bins, 10) * (torch.rand(8, bins, 1) + 0.2)
        noisy = clean + 1.5 * torch.rand(8, bins, 10)
        if number == step:
            noisy[knobs.randint(0, 7), :each, knobs.randint(0, 5) :] = 0
        batches.append((noisy, clean))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("backward", "loss"), (LOSS,), step),
    )
