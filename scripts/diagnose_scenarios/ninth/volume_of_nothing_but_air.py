"""The loader brings each patch of a scan to mean 0 and deviation 1; a patch of nothing but air has deviation 0 and
comes out as NaN (Project-MONAI/MONAI issue 1092).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def normalised(patch: Any, guarded: bool) -> Any:
    spread = patch.std()
    if guarded and spread == 0:
        return patch - patch.mean()
    with np.errstate(invalid="ignore"):
        return (patch - patch.mean()) / spread


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(
        down=nn.Conv3d(1, width, 3, padding=1),
        act=nn.PReLU(),
        mid=nn.Conv3d(width, width, 3, padding=1),
        act2=nn.PReLU(),
        classes=nn.Conv3d(width, 2, 1),
    )
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch["image"]), batch["label"])
        loss.backward()
        optimizer.step()
        return loss

    rng = np.random.default_rng(seed)
    batches = []
    for number in range(40):
        label = rng.random((4, 5, 5, 5)) < 0.3
        scan = -1000 + 80 * rng.standard_normal(label.shape) + 300 * label
        if number == step:
            scan[knobs.randint(0, 3)] = -1024
            label[:] &= scan > -1024
        image = np.stack([normalised(patch, repaired) for patch in scan])[:, None]
        batches.append({"image": torch.from_numpy(image).float(), "label": torch.from_numpy(label).long()})
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), step))
