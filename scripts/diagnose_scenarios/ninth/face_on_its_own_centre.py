"""An angular margin needs the sine, as the root of 1 - cosine^2; centres start as the embedding of one face each,
whose cosine is 1, and the root of 0 has no slope (ronghuaiyang/arcface-pytorch issue 91).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ArcMargin(nn.Module):
    def __init__(self, width: int, people: int, least: float, margin: float = 0.3, scale: float = 12.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(people, width))
        self.least, self.margin, self.scale = least, margin, scale

    def forward(self, x: Tensor, person: Tensor) -> Tensor:
        cosine = nn.functional.linear(nn.functional.normalize(x), nn.functional.normalize(self.weight))
        sine = torch.sqrt((1.0 - cosine**2).clamp(self.least, 1))
        shifted = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        own = nn.functional.one_hot(person, self.weight.shape[0]).bool()
        return self.scale * torch.where(own, shifted, cosine)


class Faces(nn.Module):
    def __init__(self, width: int, people: int, least: float) -> None:
        super().__init__()
        self.backbone = nn.Linear(12, width, bias=False)
        self.metric = ArcMargin(width, people, least)

    def forward(self, x: Tensor, person: Tensor) -> Tensor:
        return self.metric(self.backbone(x), person)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    people = knobs.pick(14, 16)
    model = Faces(8, people, 1e-6 if repaired else 0.0)
    optimizer = kit.sgd(model, lr=0.02, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        x, person = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x, person), person)
        loss.backward()
        optimizer.step()
        return loss

    centres = torch.randn(people, 12)
    labels = [torch.randint(people, (24,)) for _ in range(60)]
    batches = [(centres[y] + 0.5 * torch.randn(24, 12), y) for y in labels]
    with torch.no_grad():  # each class starts as the embedding of one of its faces
        for face, person in zip(*batches[0], strict=True):
            model.metric.weight[person] = model.backbone(face[None])[0]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("forward", "backward"), ("metric",)),
    )
