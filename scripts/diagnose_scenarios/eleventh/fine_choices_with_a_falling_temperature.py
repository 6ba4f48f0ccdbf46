"""Codes are chosen by noise and a softmax whose temperature falls from one to a twentieth, so that its probabilities
become exactly zero and one.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Codes(nn.Module):
    def __init__(self, inputs: int, width: int, codes: int) -> None:
        super().__init__()
        self.enc = nn.Linear(inputs, width)
        self.logits = nn.Linear(width, codes)
        self.dec = nn.Linear(codes, inputs, bias=False)

    def forward(self, x: Tensor, noise: Tensor, temperature: float) -> Tensor:
        logits = self.logits(self.enc(x).relu())
        return self.dec(((logits + noise) / temperature).softmax(1))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    codes = knobs.pick(5, 6)
    model = Codes(8, 16, codes)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, noise, temperature = batch
        optimizer.zero_grad()
        loss = (model(x, noise, temperature) - x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    centres = 2 * torch.randn(codes, 8)
    batches = []
    for number in range(80):
        x = centres[torch.randint(codes, (32,))] + 0.1 * torch.randn(32, 8)
        noise = -(-torch.rand(32, codes).clamp(1e-6, 1 - 1e-6).log()).log() * 0.3
        batches.append((x, noise, max(0.05, 0.96**number)))
    return Scenario(model, optimizer, batches, train_step)
