"""Images and captions are ranked under a margin that most pairs meet after a while; many batches then have a loss and
gradients of exactly zero.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Two(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.picture = nn.Linear(10, width)
        self.caption = nn.Linear(6, width)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        a, b = (nn.functional.normalize(part, dim=1, eps=1e-6) for part in self.sides(batch))
        return a @ b.t()

    def sides(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return self.picture(batch[0]), self.caption(batch[1])


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Two(knobs.pick(8, 12))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        score = model(batch)
        own = score.diagonal()[:, None]
        loss = (0.05 + score - own).clamp(min=0).fill_diagonal_(0.0).sum(1).mean()
        loss.backward()
        optimizer.step()
        return loss

    mix = torch.randn(6, 10)
    batches = []
    for _ in range(70):
        caption = torch.randn(8, 6)
        batches.append((caption @ mix, caption))
    return Scenario(model, optimizer, batches, train_step)
