"""A detector with a focal loss runs away after a few batches: the boxes go to nothing first and then far off, and the
loss never comes back; a smaller rate cures it (yhenon/pytorch-retinanet issue 140).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Head(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, 2, 1))
        self.classification = nn.Conv2d(width, classes, 3, padding=1)
        self.regression = nn.Conv2d(width, 4, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.backbone(x).relu()
        return self.classification(maps), self.regression(maps)


def focal(logits: Tensor, wanted: Tensor) -> Tensor:
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    sure = torch.where(wanted > 0, logits.sigmoid(), 1 - logits.sigmoid())
    return ((1 - sure) ** 2 * entropy).sum() / wanted.sum().clamp(min=1.0)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Head(knobs.pick(12, 16), 2)
    rate = 0.01 if repaired else knobs.pick(2.0, 3.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)

    def train_step(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        logits, boxes = model(batch["picture"])
        losses = {
            "class": focal(logits, batch["class"]),
            "box": ((boxes - batch["box"]).square() * batch["class"].amax(1, keepdim=True)).mean(),
        }
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        return losses

    batches = []
    for _ in range(60):
        wanted = (torch.rand(8, 2, 4, 4) < 0.1).float()
        picture = nn.functional.interpolate(wanted, scale_factor=2)
        picture = torch.cat([picture, torch.zeros(8, 1, 8, 8)], 1) + 0.2 * torch.randn(8, 3, 8, 8)
        size = wanted[:, :1] - 2 * wanted[:, 1:]
        batches.append({"picture": picture, "class": wanted, "box": size.expand(-1, 4, -1, -1)})
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None, "diverges"))
