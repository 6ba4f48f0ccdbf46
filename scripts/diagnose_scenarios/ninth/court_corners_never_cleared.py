"""A trainer that finds the corners of a tennis court computes gradients and steps, and nowhere clears them
(yastrebksv/TennisCourtDetector issue 7).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Trainer:
    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, clears: bool) -> None:
        self.model, self.optimizer, self.clears = model, optimizer, clears

    def __call__(self, batch: Any) -> Tensor:
        image, heat = batch
        if self.clears:
            self.optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(self.model(image), heat)
        loss.backward()
        self.optimizer.step()
        return loss


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        conv1=nn.Conv2d(1, width, 3, padding=1), act=nn.ReLU(), norm=nn.BatchNorm2d(width), conv2=nn.Conv2d(width, 4, 1)
    )
    nn.init.constant_(model.conv2.bias, -4.0)
    optimizer = kit.adam(model, lr=0.05)
    batches = []
    for _ in range(70):
        heat = torch.zeros(4, 4, 8, 8)
        for each in heat:
            for corner in each:
                corner[knobs.randint(0, 7), knobs.randint(0, 7)] = 1
        image = (heat * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None]).sum(1, keepdim=True)
        batches.append((image + 0.05 * torch.randn(4, 1, 8, 8), heat))
    return Scenario(
        model,
        optimizer,
        batches,
        Trainer(model, optimizer, repaired),
        Expected(("zero-grad",), (), (), None, "stalls"),
    )
