"""A net for aerial pictures normalises what it pooled to one value a channel; the last batch of an epoch holds a single
tile, from which no spread can be computed (NRCan/geo-deep-learning issue 113).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Context(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, width, 3, padding=1)
        self.image_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1), nn.BatchNorm2d(width))
        self.classifier = nn.Conv2d(2 * width, 3, 1)

    def forward(self, tile: Tensor) -> Tensor:
        h = self.conv(tile).relu()
        whole = self.image_pool(h).relu().expand_as(h)
        return self.classifier(torch.cat([h, whole], 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    epoch = knobs.randint(9, 16)
    model = Context(knobs.pick(8, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def train_step(sample: dict[str, Any]) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(sample["sat_img"]), sample["map_img"])
        loss.backward()
        optimizer.step()
        return loss

    bands = torch.randn(3, 4)
    samples = []
    for number in range(50):
        last = number % epoch == epoch - 1
        many = (6 if repaired else 1) if last else 6
        cover = torch.randint(3, (many, 4, 4)).repeat_interleave(2, 1).repeat_interleave(2, 2)
        samples.append({"sat_img": bands[cover].movedim(-1, 1) + 0.4 * torch.randn(many, 4, 8, 8), "map_img": cover})
    return Scenario(
        model,
        optimizer,
        samples,
        train_step,
        Expected(("batch-statistics",), ("forward",), ("image_pool.2", "image_pool"), epoch - 1, "raises"),
    )
