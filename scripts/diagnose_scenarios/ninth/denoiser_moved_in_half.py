"""A video denoiser with float16 weights is trained by Adam with its usual eps of 1e-8, which float16 rounds to 0: after
the first step the weights are NaN; a larger eps helps (jinxixiang/magic_animate_unofficial issue 6).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Motion(nn.Module):
    """Mixes frames, then channels; the appearance branch is not used by every batch."""

    def __init__(self, frames: int, width: int) -> None:
        super().__init__()
        self.time = nn.Linear(frames, frames)
        self.appearance = nn.Embedding(6, width)
        self.inp = nn.Linear(4, width)
        self.out = nn.Linear(width, 4)

    def forward(self, noisy: Tensor, who: Tensor) -> Tensor:
        h = (self.inp(noisy) + self.appearance(who)[:, None]).relu()
        return self.out(h + self.time(h.transpose(1, 2)).transpose(1, 2))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    frames = knobs.pick(4, 6)
    model = Motion(frames, 24).half()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, eps=1e-4 if repaired else 1e-8, weight_decay=1e-2)

    def train_step(batch: Any) -> Tensor:
        clean, noise, who = batch
        optimizer.zero_grad()
        found = model((0.6 * clean + 0.8 * noise).half(), who)
        loss = nn.functional.mse_loss(found.float(), noise)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        clean = torch.randn(16, 1, 4).expand(16, frames, 4)
        batches.append((clean, torch.randn(16, frames, 4), torch.randint(3, (16,))))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("optimizer-eps",), ("optimizer",), ("appearance", "inp", "time", "out")),
    )
