"""One scan of a challenge on brain lesions reads as a picture of no numbers, the other scans of the same person are
sound; its bad voxels have to be set to zero (nipy/nibabel issue 1002).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def dice(logits: Tensor, mask: Tensor) -> Tensor:
    p = logits.sigmoid()
    return 1 - (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(4, 6), knobs.randint(5, 26)
    model = kit.named(
        enc=nn.Conv3d(2, width, 3, padding=1),
        norm=nn.InstanceNorm3d(width, affine=True),
        act=nn.LeakyReLU(),
        dec=nn.Conv3d(width, 1, 1),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9, nesterov=True)
    batches = []
    for number in range(40):
        scan = 0.5 * torch.randn(2, 2, 6, 6, 6)
        mask = torch.zeros(2, 1, 6, 6, 6)
        corner = knobs.randint(0, 3)
        mask[:, :, corner : corner + 3, 1:4, 2:5] = 1.0
        scan = scan + 2 * mask
        if number == step:
            hurt = torch.rand(6, 6, 6) < 0.4
            scan[1, 0][hurt] = 0.0 if repaired else math.nan
        batches.append((scan, mask))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, dice),
        Expected(("bad-data",), ("data", "forward"), (), step),
    )
