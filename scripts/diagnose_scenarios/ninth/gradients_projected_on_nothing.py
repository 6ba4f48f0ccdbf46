"""Gradients of several tasks are projected away from each other, g - (g.h) h / |h|^2; in one batch a task has nothing
to learn, its gradient is 0, and the projection divides by its length (WeiChengTseng/Pytorch-PCGrad issue 7).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Tasks(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.shared = nn.Linear(8, width)
        self.segment = nn.Linear(width, 2)
        self.grade = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.shared(x).relu()
        return self.segment(h), self.grade(h)


def apart(g: Tensor, h: Tensor, small: float) -> Tensor:
    return g - (g @ h).clamp(max=0) * h / (h @ h + small)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Tasks(knobs.pick(16, 20))
    optimizer = kit.sgd(model, lr=0.1)
    weights, small = list(model.parameters()), 1e-12 if repaired else 0.0

    def train_step(batch: Any) -> Tensor:
        x, mask, grade = batch
        found, graded = model(x)
        known = (grade >= 0).float()
        per_patient = nn.functional.cross_entropy(graded, grade.clamp_min(0), reduction="none")
        losses = [nn.functional.cross_entropy(found, mask), (per_patient * known).mean()]
        flat = []
        for loss in losses:
            grads = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True, materialize_grads=True)
            flat.append(torch.cat([g.flatten() for g in grads]))
        total = apart(flat[0], flat[1], small) + apart(flat[1], flat[0], small)
        start = 0
        for weight in weights:
            weight.grad = total[start : start + weight.numel()].view_as(weight)
            start += weight.numel()
        optimizer.step()
        return losses[0] + losses[1]

    centres = torch.randn(3, 8) * 1.5
    batches = []
    for number in range(60):
        grade = torch.randint(3, (24,))
        x = centres[grade] + torch.randn(24, 8)
        mask = (x[:, 0] > 0).long()
        batches.append((x, mask, torch.full_like(grade, -1) if number == step else grade))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("backward", "optimizer"), (), step),
    )
