"""The magnitudes of a spectrum are roots of powers; where a frame is silent the power is exactly nought, and the
encoder before it gets no number back (KinWaiCheuk/nnAudio issue 138).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Spectrum(nn.Module):
    def __init__(self, bins: int, eps: float) -> None:
        super().__init__()
        turns = 2 * math.pi * torch.arange(bins)[:, None] * torch.arange(16) / 16
        self.register_buffer("waves", torch.cat([turns.cos(), turns.sin()])[:, None])
        self.eps = eps

    def forward(self, sound: Tensor) -> Tensor:
        real, imaginary = nn.functional.conv1d(sound, self.waves, stride=8).chunk(2, 1)
        return (real.square() + imaginary.square() + self.eps).sqrt()


class Denoise(nn.Module):
    def __init__(self, width: int, bins: int, eps: float) -> None:
        super().__init__()
        self.encode = nn.Conv1d(1, width, 5, padding=2, bias=False)
        self.decode = nn.Conv1d(width, 1, 1, bias=False)
        self.stft = Spectrum(bins, eps)

    def forward(self, noisy: Tensor) -> Tensor:
        return self.stft(self.decode(self.encode(noisy).relu()))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    bins, step = knobs.pick(5, 7), knobs.randint(4, 20)
    model = Denoise(8, bins, 1e-8 if repaired else 0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    time = torch.arange(64) / 16
    batches = []
    for number in range(45):
        clean = (2 * math.pi * time * torch.randint(1, 4, (8, 1, 1))).sin()
        noisy = clean + 0.2 * torch.randn(8, 1, 64)
        if number == step:
            noisy[knobs.randint(0, 7), :, 20:] = 0.0
            clean = torch.where(noisy == 0, 0.0, clean)
        batches.append((noisy, model.stft(clean).detach()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("stft",), step),
    )
