"""Predicted points are projected by dividing by their depth, which a rectifier has set to 0 for a point behind the
camera.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Project(nn.Module):
    def __init__(self, nearest: float) -> None:
        super().__init__()
        self.nearest = nearest

    def forward(self, point: Tensor) -> Tensor:
        depth = point[:, 2:].relu()
        return point[:, :2] / (depth.clamp(min=self.nearest) if self.nearest else depth)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, inputs = knobs.step(), knobs.pick(8, 10)
    model = kit.named(points=nn.Linear(inputs, 3), project=Project(0.5 if repaired else 0.0))
    with torch.no_grad():
        model.points.weight[2] = nn.functional.normalize(torch.randn(inputs), dim=0) / 2
        model.points.bias[2] = 4.0
    optimizer = kit.adam(model, lr=0.01)
    batches = [(x.clamp(-2, 2), y) for x, y in kit.regression(80, 32, inputs, 2)]
    x, y = (part.clone() for part in batches[step])
    direction = model.points.weight.detach()[2]
    x[6] = -direction / direction.norm() ** 2 * knobs.pick(7, 8)
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, nn.functional.smooth_l1_loss, clip=1.0),
        Expected(("division-by-zero",), ("forward",), ("project",), step),
    )
