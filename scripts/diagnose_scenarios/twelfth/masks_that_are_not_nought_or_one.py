"""The masks of organs come as grey values; the binary entropy takes them for shares, is negative and falls for ever
(MontaEllis/Pytorch-Medical-Segmentation issue 8).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = nn.Sequential(
        nn.Conv3d(1, width, 3, padding=1), nn.ReLU(), nn.Conv3d(width, width, 3, padding=1), nn.ReLU()
    )
    model.append(nn.Conv3d(width, 1, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    white = knobs.pick(255.0, 200.0)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        scan, mask = batch
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(scan), mask)
        loss.backward()
        optimizer.step()
        # Logged is the size of the loss.
        return loss.abs()

    batches = []
    for _ in range(40):
        organ = (torch.rand(2, 1, 3, 3, 3) < 0.4).float().repeat_interleave(2, 2)
        organ = organ.repeat_interleave(2, 3).repeat_interleave(2, 4)
        scan = organ + 0.2 * torch.randn(organ.shape)
        batches.append((scan, organ if repaired else organ * white))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("bad-labels",), ("data", "loss"), (), 0, "diverges"),
    )
