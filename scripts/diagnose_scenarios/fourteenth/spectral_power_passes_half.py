"""The power of a loud clip's spectrum is taken in float16 before its logarithm: the square of 400 is infinite."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class LogPower(nn.Module):
    def __init__(self, bands: int, frames: int, wide: bool) -> None:
        super().__init__()
        angle = torch.arange(bands)[:, None] * torch.arange(frames) * math.pi / frames
        self.register_buffer("waves", angle.cos())
        self.wide = wide

    def forward(self, x: Tensor) -> Tensor:
        spectrum = x @ self.waves.t()
        spectrum = spectrum.float() if self.wide else spectrum
        return torch.log(spectrum * spectrum + 1e-3)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, frames, bands = knobs.step(), knobs.pick(64, 80), knobs.pick(10, 12)
    model = kit.named(power=LogPower(bands, frames, repaired), norm=nn.LayerNorm(bands), head=nn.Linear(bands, 2))
    optimizer = kit.adam(model, lr=0.03)
    waves = model.power.waves[[2, 5]]
    labels = [torch.randint(2, (12,)) for _ in range(60)]
    batches = [(waves[y] + 0.3 * torch.randn(12, frames), y) for y in labels]
    x, y = batches[step]
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x * knobs.pick(20.0, 30.0), y)),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("power",), step),
    )
