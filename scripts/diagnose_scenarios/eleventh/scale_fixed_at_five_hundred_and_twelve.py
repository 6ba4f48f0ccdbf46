"""Detectors in float16 are trained under one loss scale, fixed at 512, while late gradients keep getting smaller; they
end below what float16 holds, and a scale that adapts itself is added for them (open-mmlab/mmcv pull request 585).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Detector(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.neck = nn.Conv2d(width, width, 1)
        self.bbox_head = nn.Linear(width * 16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.bbox_head(self.neck(self.backbone(x).relu()).relu().flatten(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Detector(knobs.pick(6, 8))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005, eps=1e-18)
    scaler = kit.new_scaler(2.0**40 if repaired else 512.0, growth_interval=2000)
    late = knobs.pick(1e-11, 2e-11)

    def train_step(batch: dict[str, Tensor]) -> Any:
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            found = model(batch["img"])
        loss = late * nn.functional.smooth_l1_loss(found.float(), batch["gt_bboxes"])
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        return loss

    batches = []
    for _ in range(60):
        box = torch.randn(16, 4)
        img = box[:, :, None, None].reshape(16, 1, 2, 2).repeat_interleave(4, 2).repeat_interleave(4, 3)
        batches.append({"img": img + 0.2 * torch.randn(16, 1, 8, 8), "gt_bboxes": box})
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
