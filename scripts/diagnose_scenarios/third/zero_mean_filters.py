"""Filters whose coefficients add up to zero, over frames far from zero: float16 partial sums pass 65504 on the way."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Speech(nn.Module):
    """Frames of a waveform that stands on a constant, through a fixed bank of filters."""

    def __init__(self, frame: int, bands: int, level: float) -> None:
        super().__init__()
        self.frame, self.level = frame, level
        self.bank = nn.Linear(frame, bands, bias=False)
        self.norm = nn.LayerNorm(bands)
        self.head = nn.Linear(bands, 3)

    def forward(self, wave: Tensor) -> Tensor:
        frames = (wave + self.level).unfold(1, self.frame, self.frame)
        return self.head(self.norm(self.bank(frames)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    frame, bands = knobs.pick(400, 480), knobs.pick(8, 12)
    model = Speech(frame, bands, knobs.pick(60.0, 80.0))
    half = frame // 2
    shapes = torch.randn(3, frame)
    with torch.no_grad():
        window = torch.rand(bands, half) + 5
        fine = 0.2 * shapes[torch.arange(bands) % 3]
        model.bank.weight.copy_(torch.cat([window, -window], 1) + fine - fine.mean(1, keepdim=True))
    model.bank.requires_grad_(False)
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.head.parameters()], lr=0.03)
    labels = [torch.randint(3, (8,)) for _ in range(60)]
    waves = [(shapes[y].repeat(1, 2) + 0.3 * torch.randn(8, 2 * frame), y) for y in labels]
    return Scenario(
        model,
        optimizer,
        waves,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("bank",)),
        device=contextlib.nullcontext if repaired else HalfSums(knobs.pick(16, 40)),
    )
