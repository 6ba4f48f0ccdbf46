"""Scenes are so large that a batch is one; all batch norms stay in eval mode, as their authors advise
(VinAIResearch/ISBNet issue 12).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class ScoreNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.point = nn.Linear(3, width)
        self.pooled = nn.Linear(width, width)
        self.bn = nn.BatchNorm1d(width)
        self.score = nn.Linear(width, 1)

    def forward(self, points: Tensor) -> Tensor:
        h = self.point(points).relu().amax(0, keepdim=True)
        return self.score(self.bn(self.pooled(h)).relu())


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    net = ScoreNet(knobs.pick(16, 24))
    with torch.no_grad():
        net.bn.running_mean.normal_(0, 0.1)
        net.bn.running_var.uniform_(0.5, 1.5)
    optimizer = kit.adam(net, lr=0.01)

    def train_step(scenes: Any) -> Tensor:
        net.train()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eval()
        total = torch.zeros(())
        optimizer.zero_grad()
        for points, size in scenes:
            loss = (net(points) - size).square().mean()
            (loss / len(scenes)).backward()
            total = total + loss.detach() / len(scenes)
        optimizer.step()
        return total

    def scene() -> tuple[Tensor, Tensor]:
        size = 0.5 + 2 * torch.rand(())
        return size * nn.functional.normalize(torch.randn(40, 3), dim=1), size

    return Scenario(net, optimizer, [[scene() for _ in range(8)] for _ in range(60)], train_step)
