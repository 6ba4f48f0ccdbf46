"""CTC with some texts longer than their sound: infinite losses that `zero_infinity` is there to drop."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, symbols, length = knobs.pick(16, 24), 4, 12
    model = kit.named(enc=nn.Linear(5, width), act=nn.ReLU(), out=nn.Linear(width, symbols + 1))
    optimizer = kit.adam(model, lr=0.02)
    criterion = nn.CTCLoss(zero_infinity=True)
    sounds = torch.randn(symbols, 5) * 2

    def train_step(batch: Any) -> Tensor:
        x, text, spoken = batch
        optimizer.zero_grad()
        chances = model(x).log_softmax(-1).transpose(0, 1)
        loss = criterion(chances, text, torch.full((len(x),), length), spoken)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        text = torch.randint(symbols, (6, length // 3))
        x = sounds[text].repeat_interleave(3, 1) + 0.3 * torch.randn(6, length, 5)
        labels, spoken = torch.zeros(6, length + 4, dtype=torch.long), torch.full((6,), length // 3)
        labels[:, : length // 3] = text + 1
        if number % 5 == 3:
            labels[0], spoken[0] = 1, length + 4
        batches.append((x, labels, spoken))
    return Scenario(model, optimizer, batches, train_step)
