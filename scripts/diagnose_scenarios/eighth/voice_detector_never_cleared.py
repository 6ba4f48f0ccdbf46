"""A fine-tuning helper of a voice activity detector computes gradients batch after batch and nowhere clears them
(snakers4/silero-vad pull request 699).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Detector(nn.Module):
    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(bands, width, 3)
        self.mid = nn.Conv1d(width, width, 3)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.mid(self.conv(x).relu()).relu().mean(-1)).squeeze(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Detector(6, knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=knobs.pick(0.2, 0.25))
    voice = torch.randn(6, 1)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        if repaired:
            optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(80):
        y = (torch.rand(32) < 0.5).float()
        flip = (torch.rand(32) < 0.08).float()
        batches.append((torch.randn(32, 6, 8) + y[:, None, None] * voice, (y - flip).abs()))
    return Scenario(model, optimizer, batches, train_step, Expected(("zero-grad",), (), (), None, "diverges"))
