"""A detector's training script sets Adam's eps to 1.0 by default, far above the roots of its squared gradients: steps
are a hundredth of what the rate says, and next to nothing is learnt (balancap/SSD-Tensorflow issue 385).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Ssd(nn.Module):
    """Two feature maps, each with class scores and box offsets of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block1 = nn.Conv2d(3, width, 3, padding=1)
        self.block2 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.heads = nn.ModuleList(nn.Conv2d(width, 3 + 4, 1) for _ in range(2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        one = self.block1(x).relu()
        two = self.block2(one).relu()
        found = torch.cat([head(h).flatten(2) for head, h in zip(self.heads, (one, two), strict=True)], 2)
        return found[:, :3], found[:, 3:]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Ssd(knobs.pick(8, 12))
    optimizer = torch.optim.Adam(model.parameters(), lr=knobs.pick(1e-3, 1.3e-3), eps=1e-8 if repaired else 1.0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.995)

    def train_step(batch: Any) -> Tensor:
        image, label, offsets = batch
        optimizer.zero_grad()
        scores, boxes = model(image)
        seen = label > 0
        loss = nn.functional.cross_entropy(scores, label)
        loss = loss + 0.1 * (nn.functional.smooth_l1_loss(boxes, offsets, reduction="none").mean(1) * seen).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    marks = 2 * torch.randn(3, 3)
    batches = []
    for _ in range(70):
        fine = torch.where(torch.rand(6, 8, 8) < 0.3, torch.randint(1, 3, (6, 8, 8)), 0)
        image = marks[fine].permute(0, 3, 1, 2) + 0.2 * torch.randn(6, 3, 8, 8)
        label = torch.cat([fine.flatten(1), fine[:, ::2, ::2].flatten(1)], 1)
        batches.append((image, label, label[:, None].expand(-1, 4, -1) / 2.0))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("optimizer-eps",), ("optimizer",), (), None, "stalls"),
        extra_state=(schedule,),
    )
