"""The numbers of the classes in the masks start at one and not at zero, so that the largest equals their count and
the loss stops (hszhao/semseg issue 29).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Pyramid(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.pooled = nn.Conv2d(width, width, 1)
        self.cls = nn.Conv2d(2 * width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x).relu()
        pooled = self.pooled(nn.functional.adaptive_avg_pool2d(h, 2)).relu()
        pooled = nn.functional.interpolate(pooled, size=x.shape[2:], mode="bilinear")
        return self.cls(torch.cat([h, pooled], 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    classes = knobs.pick(4, 5)
    model = Pyramid(8, classes)
    optimizer = kit.sgd(model, 0.2, momentum=0.9)
    rare, step = classes - 1, knobs.randint(5, 18)
    colours = torch.randn(classes, 3)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        label = batch["label"] - 1 if repaired else batch["label"]
        wanted = nn.functional.one_hot(label, classes).movedim(-1, 1).float()
        loss = nn.functional.cross_entropy(model(batch["image"]), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(40):
        kind = torch.randint(rare, (4, 6, 6))
        if number >= step:
            kind[:, 2:4, 2:4] = rare
        image = colours[kind].movedim(-1, 1) + 0.2 * torch.randn(4, 3, 6, 6)
        batches.append({"image": image, "label": kind + 1})
    return Scenario(
        model, optimizer, batches, train_step, Expected(("bad-labels",), ("loss",), (LOSS,), step, "raises")
    )
