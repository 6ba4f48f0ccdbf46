"""A lane net embeds the pixels of each lane and averages over the lanes; a labelled picture holds no lane at all, and
the mean over none is no number (MaybeShewill-CV/lanenet-lane-detection issue 52).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def pull(embedded: Tensor, lanes: Tensor, keep_empty: bool) -> Tensor:
    """Mean distance of each lane's pixels [pixels, width] to their centre, averaged over the lanes."""
    numbers = [number for number in lanes.unique().tolist() if number]
    if not numbers and keep_empty:
        return embedded.sum() * 0
    spread = embedded.new_zeros(())
    for number in numbers:
        pixels = embedded[lanes == number]
        spread = spread + (pixels - pixels.mean(0)).square().sum(1).mean()
    return spread / torch.tensor(float(len(numbers)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), 4
    model = nn.ModuleDict(
        {
            "trunk": nn.Sequential(nn.Conv2d(2, 10, 3, padding=1), nn.ReLU()),
            "binary": nn.Conv2d(10, 2, 1),
            "embed": nn.Conv2d(10, width, 1),
        }
    )
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        h = model["trunk"](batch["image"])
        loss = nn.functional.cross_entropy(model["binary"](h), (batch["lanes"] > 0).long())
        embedded = model["embed"](h).permute(0, 2, 3, 1)
        for each, lanes in zip(embedded, batch["lanes"], strict=True):
            loss = loss + 0.05 * pull(each.flatten(0, 1), lanes.flatten(), repaired)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(40):
        lanes = torch.zeros(4, 8, 8, dtype=torch.long)
        for each in lanes:
            for lane in range(knobs.randint(1, 3)):
                each[:, 2 * lane + 1] = lane + 1
        if number == step:
            lanes[2] = 0
        image = torch.stack([(lanes > 0).float(), torch.zeros(4, 8, 8)], 1) + 0.3 * torch.randn(4, 2, 8, 8)
        batches.append({"image": image, "lanes": lanes})
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
