"""A dense detector divides its box losses by the summed quality of positive cells; images without any object are kept
in the training, and that sum is 0 (shinya7y/UniverseNet issue 14).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Dense(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.GroupNorm(2, width)
        self.quality = nn.Conv2d(width, 1, 1)
        self.sides = nn.Conv2d(width, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.norm(self.stem(x)).relu()
        return self.quality(h).squeeze(1), self.sides(h).exp()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Dense(knobs.pick(8, 12))
    optimizer = kit.sgd(model, lr=0.02, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5)

    def train_step(batch: Any) -> Tensor:
        image, positive, sides = batch
        optimizer.zero_grad()
        scores, found = model(image)
        weight = positive * scores.detach().sigmoid()
        factor = weight.sum().clamp_min(1.0) if repaired else weight.sum()
        overlap = (torch.minimum(found, sides).sum(1) / torch.maximum(found, sides).sum(1)).clamp(0, 1)
        boxes = ((1 - overlap) * weight).sum() / factor
        quality = nn.functional.binary_cross_entropy_with_logits(scores, positive * overlap.detach())
        loss = boxes + quality
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    mark = torch.randn(3)
    batches = []
    for number in range(60):
        positive = (torch.rand(4, 7, 7) < (0 if number == step else 0.15)).float()
        image = 0.3 * torch.randn(4, 3, 7, 7) + positive[:, None] * mark[:, None, None]
        sides = torch.tensor([1.5, 2.5, 0.7, 1.2])[:, None, None].expand(4, 4, 7, 7)
        batches.append((image, positive, sides))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
        extra_state=(schedule,),
    )
