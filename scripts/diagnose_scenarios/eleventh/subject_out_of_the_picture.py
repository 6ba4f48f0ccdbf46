"""A diffusion model of moving pictures learns one person by the error under a mask, divided by the area of the mask; in
a clip where the person is not seen the area is zero (Zhen-Dong/Magic-Me issue 14).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Denoiser(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = nn.Conv3d(2, width, (1, 3, 3), padding=(0, 1, 1))
        self.motion = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0))
        self.out = nn.Conv3d(width, 1, 1)

    def forward(self, noisy: Tensor, level: Tensor) -> Tensor:
        told = level[:, None, None, None, None].expand_as(noisy)
        return self.out(self.motion(self.spatial(torch.cat([noisy, told], 1)).relu()).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(8, 25)
    model = Denoiser(knobs.pick(6, 8))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    spare = 1e-6 if repaired else 0.0

    def train_step(batch: dict[str, Tensor]) -> Any:
        clip, noise, level, mask = (batch[key] for key in ("clip", "noise", "level", "mask"))
        keep = (1 - level)[:, None, None, None, None]
        noisy = keep.sqrt() * clip + (1 - keep).sqrt() * noise
        error = (model(noisy, level) - noise).square() * mask
        loss = (error.sum([1, 2, 3, 4]) / (mask.sum([1, 2, 3, 4]) + spare)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(45):
        mask = torch.zeros(4, 1, 3, 6, 6)
        left = knobs.randint(0, 2)
        mask[..., 1:5, left : left + 4] = 1.0
        if number == step:
            mask[knobs.randint(0, 3)] = 0.0
        batches.append(
            {
                "clip": 0.3 * torch.randn(4, 1, 3, 6, 6),
                "noise": torch.randn(4, 1, 3, 6, 6),
                "level": 0.3 + 0.6 * torch.rand(4),
                "mask": mask,
            }
        )
    return Scenario(model, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
