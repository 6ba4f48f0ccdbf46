"""The pose of an X-ray is learnt by the angle between two rotations, an arc cosine of a trace; where both are the same
its slope has no end (eigenvivek/nanodrr pull request 31).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def rotation(axis: Tensor) -> Tensor:
    zero = torch.zeros_like(axis[:, 0])
    x, y, z = axis.unbind(1)
    hat = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)
    return torch.linalg.matrix_exp(hat)


class Geodesic(nn.Module):
    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        trace = (one * other).sum((1, 2))
        return ((trace - 1) / 2).clamp(-1 + self.margin, 1 - self.margin).acos()


class Regressor(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, stride=2, bias=False)
        self.pose = nn.Linear(width * 9, 3, bias=False)
        nn.init.normal_(self.pose.weight, 0.0, 0.02)

    def forward(self, picture: Tensor) -> Tensor:
        return rotation(self.pose(self.conv(picture).tanh().flatten(1)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(5, 16)
    model = Regressor(knobs.pick(6, 8))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    angle = Geodesic(1e-5 if repaired else 0.0)
    teacher = torch.randn(49, 3) / 15

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        picture, pose = batch
        loss = angle(model(picture), pose).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        picture = torch.randn(16, 1, 7, 7)
        if number == step:
            # An exposure of nothing, at the pose that all others are measured from.
            picture[knobs.randint(0, 15)] = 0.0
        batches.append((picture, rotation(picture.flatten(1) @ teacher)))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("loss", "backward"), (LOSS,), step),
    )
