"""Clips shorter than their transcript have an infinite loss, which the criterion is told to set to zero."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Recogniser(nn.Module):
    def __init__(self, bands: int, letters: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(bands, 24, batch_first=True)
        self.out = nn.Linear(24, letters)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(x)[0]).log_softmax(-1)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Recogniser(6, 5)
    optimizer = kit.adam(model, lr=0.02)
    voices = torch.randn(5, 6)

    def train_step(batch: Any) -> Tensor:
        x, letters, lengths = batch
        optimizer.zero_grad()
        logp = model(x).transpose(0, 1)
        count = torch.full((len(x),), 3)
        loss = nn.functional.ctc_loss(logp, letters, lengths, count, zero_infinity=True)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        letters = torch.randint(1, 5, (8, 3))
        x = voices[letters.repeat_interleave(3, 1)] + 0.2 * torch.randn(8, 9, 6)
        lengths = torch.full((8,), 9)
        if number % knobs.pick(5, 6) == 2:
            lengths[0] = 2
        batches.append((x, letters, lengths))
    return Scenario(model, optimizer, batches, train_step)
