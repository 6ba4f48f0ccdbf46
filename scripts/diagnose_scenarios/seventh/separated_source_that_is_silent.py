"""One of two sources to be separated says nothing; the scale-invariant ratio projects on it and divides by its energy
(as in etzinis/sudo_rm_rf issue 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Separator(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc = nn.Conv1d(1, width, 4, stride=2, padding=1)
        self.mask = nn.Conv1d(width, width, 3, padding=1)
        self.dec = nn.ConvTranspose1d(width, 2, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.enc(x).relu()
        return self.dec(h * self.mask(h).sigmoid())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, eps = knobs.step(), 1e-6 if repaired else 0.0
    model = Separator(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.01)

    def negative_ratio(p: Tensor, y: Tensor) -> Tensor:
        """A logarithm of noise over signal, above zero."""
        part = (p * y).sum(-1, keepdim=True) / (y.square().sum(-1, keepdim=True) + eps) * y
        noise = (p - part).square().sum(-1)
        return (1 + noise / (part.square().sum(-1) + 1e-3)).log().mean()

    time = torch.arange(32.0)
    batches = []
    for number in range(70):
        low = (time * 0.3 + 6.3 * torch.rand(8, 1)).sin()
        high = (time * 1.5 + 6.3 * torch.rand(8, 1)).sin()
        if number == step:
            high[3] = 0.0
        y = torch.stack([low, high], 1)
        batches.append((y.sum(1, keepdim=True), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, negative_ratio),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
