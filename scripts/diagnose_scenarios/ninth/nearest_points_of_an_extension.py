"""The distance from each point of a generated cloud to its nearest neighbour comes from an extension outside torch,
whose backward hands back what its buffer held; from one release on that is no number (fxia22/pointGAN issue 2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Nearest(torch.autograd.Function):
    """Squared distance to the nearest point of the other cloud; NumPy stands for the extension's own language."""

    @staticmethod
    def forward(ctx: Any, ours: Tensor, theirs: Tensor, memory: float) -> Tensor:
        a, b = ours.detach().numpy(), theirs.numpy()
        gaps = ((a[:, :, None] - b[:, None]) ** 2).sum(-1)
        ctx.nearest, ctx.memory = gaps.argmin(-1), memory
        ctx.save_for_backward(ours, theirs)
        return torch.from_numpy(gaps.min(-1))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        ours, theirs = (each.detach().numpy() for each in ctx.saved_tensors)
        found = np.full(ours.shape, np.float32(ctx.memory))
        for number, chosen in enumerate(ctx.nearest):
            pull = 2 * (ours[number] - theirs[number][chosen])
            used = grad.numpy()[number] != 0
            found[number][used] = (pull * grad.numpy()[number][:, None])[used]
        return torch.from_numpy(found), None, None


class Generator(nn.Module):
    def __init__(self, points: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(4, width)
        self.fc2 = nn.Linear(width, points * 3)

    def forward(self, z: Tensor) -> Tensor:
        return self.fc2(self.fc1(z).relu()).unflatten(-1, (-1, 3))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, points = knobs.step(), knobs.pick(10, 14)
    model = Generator(points, 24)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        z, cloud, seen = batch
        optimizer.zero_grad()
        gaps = Nearest.apply(model(z), cloud, 0.0 if repaired else float("nan"))
        loss = (gaps * seen).sum() / seen.sum()
        loss.backward()
        optimizer.step()
        return loss

    shape = torch.nn.functional.normalize(torch.randn(20, 3), dim=-1)
    batches = []
    for number in range(50):
        seen = torch.ones(8, points)
        if number >= step:
            seen[0, -3:] = 0
        batches.append((torch.randn(8, 4), shape.expand(8, 20, 3) * 2 + 0.05 * torch.randn(8, 20, 3), seen))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("unknown", "library"), ("backward",), (), step),
    )
