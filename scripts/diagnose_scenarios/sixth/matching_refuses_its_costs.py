"""A set predictor of boxes under a rate a hundred times too high: the predictions grow until the matching of
predictions to boxes refuses its table of costs (PaddlePaddle/PaddleDetection issue 4704).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def matched(costs: Any) -> list[int]:
    """For each box, the cheapest prediction that is still free."""
    if not np.isfinite(costs).all():
        raise ValueError("matrix contains invalid numeric entries")
    chosen: list[int] = []
    for column in costs.T:
        chosen.append(next(int(row) for row in np.argsort(column) if int(row) not in chosen))
    return chosen


class SetPredictor(nn.Module):
    def __init__(self, inputs: int, width: int, queries: int) -> None:
        super().__init__()
        self.queries = queries
        self.enc = nn.Linear(inputs, width)
        self.act = nn.LeakyReLU(0.3)
        self.dec = nn.Linear(width, width)
        self.box = nn.Linear(width, 4 * queries)

    def forward(self, x: Tensor) -> Tensor:
        return self.box(self.dec(self.act(self.enc(x)))).view(len(x), self.queries, 4)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = SetPredictor(8, knobs.pick(12, 16), 4)
    optimizer = kit.sgd(model, lr=0.02 if repaired else knobs.pick(3.0, 4.0), momentum=0.5)

    def train_step(batch: Any) -> Tensor:
        x, boxes = batch
        optimizer.zero_grad()
        loss = torch.zeros(())
        for prediction, truth in zip(model(x), boxes, strict=True):
            costs = (prediction.detach()[:, None] - truth[None]).square().sum(-1)
            chosen = matched(costs.numpy())
            loss = loss + (prediction[chosen] - truth).square().sum(-1).mean() / len(x)
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(8, 8) / 3
    xs = [torch.randn(16, 8) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(x, (x @ teacher).view(16, 2, 4)) for x in xs],
        train_step,
        Expected(("learning-rate",), (), (), None, "raises"),
    )
