"""Mel spectra are stored as plain logarithms; one recording has empty bands, so that its array holds -inf
(KimythAnly/AGAIN-VC issue 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Converter(nn.Module):
    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.enc = nn.Conv1d(bands, width, 3, padding=1)
        self.norm = nn.InstanceNorm1d(width)
        self.dec = nn.Conv1d(width, bands, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.dec(self.norm(self.enc(x)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, bands = knobs.step(), knobs.pick(8, 10)
    model = Converter(bands, 24)
    optimizer = kit.adam(model, lr=0.01)
    shape = torch.randn(4, bands, 12)
    batches = []
    for number in range(60):
        power = (shape[torch.randint(4, (8,))] + 0.1 * torch.randn(8, bands, 12)).exp()
        if number == step:
            power[knobs.randint(0, 7), -2:] = 0
        mel = (power.clamp(min=1e-2) if repaired else power).log()
        batches.append((mel, mel))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.l1_loss),
        Expected(("bad-data",), ("data",), (), step),
    )
