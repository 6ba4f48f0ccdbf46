"""A generator of talking heads normalises each feature by its deviation plus an eps; a feature that is the same
everywhere has deviation 0, whose slope is infinite (grey-eye/talking-heads issue 32).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class AdaIn(nn.Module):
    def __init__(self, eps: float, inside: bool) -> None:
        super().__init__()
        self.eps, self.inside = eps, inside

    def forward(self, feature: Tensor, mean_style: Tensor, std_style: Tensor) -> Tensor:
        h = feature.flatten(2)
        if self.inside:
            std = (h.var(2) + self.eps).sqrt()[..., None]
        else:
            std = torch.sqrt((h - h.mean(2, keepdim=True)).square().mean(2))[..., None] + self.eps
        normal = (h - h.mean(2, keepdim=True)) / std
        return (normal * std_style[..., None] + mean_style[..., None]).view_as(feature)


class Head(nn.Module):
    def __init__(self, width: int, inside: bool) -> None:
        super().__init__()
        self.landmarks = nn.Conv2d(1, width, 1)
        self.style = nn.Linear(3, 2 * width)
        self.adain = AdaIn(1e-5, inside)
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, landmarks: Tensor, person: Tensor) -> Tensor:
        mean, std = self.style(person).chunk(2, -1)
        return self.out(self.adain(self.landmarks(landmarks).relu(), mean, std).tanh())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Head(knobs.pick(8, 12), repaired)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        landmarks, person, frame = batch
        optimizer.zero_grad()
        loss = nn.functional.l1_loss(model(landmarks, person), frame)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        landmarks, person = torch.randn(8, 1, 6, 6), torch.randn(8, 3)
        frame = landmarks * person[:, :1, None, None].tanh()
        if number == step:
            landmarks[knobs.randint(0, 7)] = 0.0
        batches.append((landmarks, person, frame))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("backward",), ("adain",), step),
    )
