"""A tuning script for a voice detector never zeroes its gradients (snakers4/silero-vad pull request 699)."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Vad(nn.Module):
    def __init__(self, bands: int, hidden: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(bands, hidden, 3, padding=1)
        self.cell = nn.GRU(hidden, hidden, batch_first=True)
        self.decoder = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.cell(self.conv(x).relu().transpose(1, 2))[0])[..., 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Vad(5, knobs.pick(12, 16))
    optimizer = kit.sgd(model, lr=knobs.pick(0.3, 0.4), momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        x, voiced = batch
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), voiced)
        if repaired:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    voice = torch.randn(5, 1)
    batches = []
    for _ in range(120):
        voiced = (torch.rand(8, 4) < 0.5).float().repeat_interleave(3, 1)
        batches.append((voiced[:, None] * voice + 0.4 * torch.randn(8, 5, 12), voiced))
    return Scenario(model, optimizer, batches, train_step, Expected(("zero-grad",), (), (), None, "diverges"))
