"""A quantised autoencoder passes its gradient straight through the choice of codes."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Codes(nn.Module):
    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.book = nn.Embedding(count, width)
        self.commitment = torch.zeros(())

    def forward(self, z: Tensor) -> Tensor:
        nearest = torch.cdist(z, self.book.weight).argmin(-1)
        chosen = self.book(nearest)
        self.commitment = (chosen - z.detach()).square().mean() + 0.25 * (z - chosen.detach()).square().mean()
        return z + (chosen - z).detach()


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(enc=nn.Linear(8, 4), vq=Codes(knobs.pick(12, 16), 4), dec=nn.Linear(4, 8))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, _ = batch
        optimizer.zero_grad()
        loss = kit.squares(model(x), x)
        (loss + model.vq.commitment).backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, kit.classes(120, 32, 8, 4), train_step)
