"""Preprocessing left a few voxels of one brain scan that are not numbers; batches come as dictionaries (aramis-
lab/clinicadl issue 106).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(
        conv1=nn.Conv3d(1, 4, 3, padding=1),
        bn=nn.BatchNorm3d(4),
        act=nn.LeakyReLU(0.1),
        pool=nn.AdaptiveMaxPool3d(2),
        flat=nn.Flatten(),
        fc=nn.Linear(32, 2),
    )
    optimizer = kit.adam(model, lr=0.01)
    inner = kit.train(model, optimizer, kit.cross_entropy)

    def train_step(sample: dict[str, Any]) -> Tensor:
        return inner((sample["image"], sample["label"]))

    lesion = torch.zeros(2, 1, 8, 8, 8)
    lesion[1, :, 2:5, 3:6, 2:6] = 2.0
    batches = []
    for number in range(40):
        labels = torch.randint(2, (6,))
        image = lesion[labels] + 0.5 * torch.randn(6, 1, 8, 8, 8)
        if number == step and not repaired:
            image[knobs.randint(0, 5), 0, :2, 0, :3] = math.nan
        batches.append({"image": image, "label": labels, "participant_id": [f"sub-{number}-{i}" for i in range(6)]})
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), step))
