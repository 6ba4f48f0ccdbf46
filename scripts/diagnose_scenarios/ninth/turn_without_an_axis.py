"""A motion diffusion model turns quaternions into axis and angle and divides by the length of the vector part, which
is 0 where a joint does not turn at all (mshoe/PARC pull request 9).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class AxisAngle(nn.Module):
    """[batch, joints, 4] with the real part last -> [batch, joints, 3]."""

    def __init__(self, least: float) -> None:
        super().__init__()
        self.least = least

    def forward(self, quaternion: Tensor) -> Tensor:
        vector, real = quaternion[..., :3], quaternion[..., 3:]
        length = vector.norm(dim=-1, keepdim=True)
        return vector / length.clamp_min(self.least) * 2 * torch.atan2(length, real)


class Denoiser(nn.Module):
    def __init__(self, joints: int, width: int, least: float) -> None:
        super().__init__()
        self.turns = AxisAngle(least)
        self.inp = nn.Linear(joints * 3 + 1, width)
        self.out = nn.Linear(width, joints * 3)

    def forward(self, pose: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        clean = self.turns(pose).flatten(1)
        seen = (1 - level).sqrt() * clean + level.sqrt() * noise
        return self.out(torch.tanh(self.inp(torch.cat([seen, level], 1))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, joints = knobs.step(), knobs.pick(4, 5)
    model = Denoiser(joints, 32, 1e-6 if repaired else 0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def train_step(batch: Any) -> Tensor:
        pose, noise, level = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(pose, noise, level), noise)
        loss.backward()
        optimizer.step()
        return loss

    rest = torch.nn.functional.normalize(torch.randn(joints, 4), dim=-1)
    batches = []
    for number in range(70):
        pose = torch.nn.functional.normalize(rest + 0.05 * torch.randn(16, joints, 4), dim=-1)
        if number == step:
            pose[knobs.randint(0, 15), knobs.randint(0, joints - 1)] = torch.tensor([0.0, 0.0, 0.0, 1.0])
        batches.append((pose, torch.randn(16, joints * 3), 0.2 + 0.8 * torch.rand(16, 1)))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("forward",), ("turns",), step),
    )
