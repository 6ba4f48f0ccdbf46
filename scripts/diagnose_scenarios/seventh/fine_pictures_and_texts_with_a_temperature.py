"""Pictures and texts are matched with a learnt temperature that is clamped."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Clip(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.visual = nn.Linear(10, width)
        self.text = nn.Embedding(12, width)
        self.logit_scale = nn.Parameter(torch.tensor(2.6))

    def forward(self, picture: Tensor, word: Tensor) -> Tensor:
        a = nn.functional.normalize(self.visual(picture), dim=-1)
        b = nn.functional.normalize(self.text(word), dim=-1)
        return self.logit_scale.clamp(max=4.6).exp() * a @ b.t()


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Clip(knobs.pick(12, 16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    looks = torch.randn(12, 10)

    def train_step(batch: Any) -> Tensor:
        picture, word = batch
        optimizer.zero_grad()
        logits, own = model(picture, word), torch.arange(len(word))
        loss = (kit.cross_entropy(logits, own) + kit.cross_entropy(logits.t(), own)) / 2
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        word = torch.randperm(12)[:8]
        batches.append((looks[word] + 0.2 * torch.randn(8, 10), word))
    return Scenario(model, optimizer, batches, train_step)
