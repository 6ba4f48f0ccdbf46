"""Features are whitened speaker by speaker with the unbiased deviation; in one batch a speaker has one utterance."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class PerSpeaker(nn.Module):
    def __init__(self, unbiased: bool) -> None:
        super().__init__()
        self.unbiased = unbiased

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        for each in speaker.unique():
            mine = x[speaker == each]
            white = (mine - mine.mean(0)) / (mine.std(0, unbiased=self.unbiased) + 1e-4)
            out = out.index_put(((speaker == each).nonzero().squeeze(1),), white)
        return out


class Net(nn.Module):
    def __init__(self, width: int, unbiased: bool) -> None:
        super().__init__()
        self.enc = nn.Linear(6, width)
        self.white = PerSpeaker(unbiased)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        return self.head(self.white(self.enc(x).tanh(), speaker))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Net(knobs.pick(12, 16), not repaired)
    optimizer = kit.adam(model, lr=0.02)
    teacher = torch.randn(6)

    def train_step(batch: Any) -> Tensor:
        x, speaker, y = batch
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(x, speaker), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        speaker = torch.arange(4).repeat(6)
        if number == step:
            speaker[speaker == 3] = 2
            speaker[knobs.randint(0, 23)] = 3
        x = torch.randn(24, 6)
        batches.append((x + 2 * speaker[:, None], speaker, (x @ teacher > 0).long()))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("batch-statistics",), ("forward",), ("white",), step)
    )
