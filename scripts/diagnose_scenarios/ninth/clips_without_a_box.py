"""An action detector averages its box loss over the boxes of a batch, and the frames of one batch have none
(hope1337/YOWOv3 issue 19).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Clip(nn.Module):
    """Three frames in, one box and two action scores for each cell out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.space = nn.Conv3d(1, width, (3, 3, 3), padding=(0, 1, 1))
        self.box = nn.Conv2d(width, 4, 1)
        self.action = nn.Conv2d(width, 2, 1)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.nn.functional.silu(self.space(frames[:, None])).squeeze(2)
        return self.box(h), self.action(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Clip(knobs.pick(8, 12))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)

    def train_step(batch: Any) -> Tensor:
        frames, cells, boxes, action = batch
        optimizer.zero_grad()
        found, scores = model(frames)
        count = cells.sum()
        if repaired:
            count = count.clamp_min(1)
        wrong = nn.functional.smooth_l1_loss(found, boxes, reduction="none").mean(1)
        named = nn.functional.cross_entropy(scores, action, reduction="none")
        loss = (wrong * cells).sum() / count + (named * cells).sum() / count
        loss = loss + 0.1 * scores.square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        cells = (torch.rand(6, 6, 6) < (0.0 if number == step else 0.2)).float()
        action = torch.randint(2, (6, 6, 6))
        speed = cells * (2.0 * action - 1)
        frames = torch.stack([cells - speed, cells, cells + speed], 1) + 0.1 * torch.randn(6, 3, 6, 6)
        boxes = torch.tensor([0.2, 0.4, 0.6, 0.3])[:, None, None].expand(6, 4, 6, 6)
        batches.append((frames, cells, boxes, action))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
