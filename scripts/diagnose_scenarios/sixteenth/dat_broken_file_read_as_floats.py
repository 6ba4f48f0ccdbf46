"""A truncated sound file is read as raw floats: among ordinary samples of below 1 stand garbage values of 1e38."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Power(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.log1p(x.square())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length = knobs.step(), knobs.pick(32, 40)
    model = kit.named(
        front=nn.Conv1d(1, 6, 8, stride=4),
        power=Power(),
        flat=nn.Flatten(),
        head=nn.Linear(6 * ((length - 8) // 4 + 1), 2),
    )
    optimizer = kit.sgd(model, lr=0.1)
    tones = torch.stack([torch.sin(torch.arange(length) * f) for f in (0.4, 1.1)])
    batches = []
    for i in range(60):
        y = torch.randint(2, (12,))
        x = (tones[y] + 0.2 * torch.randn(12, length))[:, None]
        if i == step and not repaired:
            x[5, 0, length // 2 :] = torch.randn(length - length // 2) * 1e38
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("bad-data",), ("data", "forward"), (), step),
    )
