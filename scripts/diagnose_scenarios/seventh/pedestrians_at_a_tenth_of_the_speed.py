"""Trajectories are predicted as Gaussians, and the rate makes the logarithm of the deviation jump (as in
abduallahmohamed/Social-STGCNN issue 20, where a lower rate ended it).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Path(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = nn.GRU(2, width, batch_first=True)
        self.head = nn.Linear(width, 4)

    def forward(self, steps: Tensor) -> Tensor:
        return self.head(self.encoder(steps)[0][:, -1])


def nll(p: Tensor, y: Tensor) -> Tensor:
    mean, log_sigma = p.chunk(2, -1)
    return (log_sigma + 0.5 * ((y - mean) / log_sigma.exp()).square()).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Path(knobs.pick(12, 16))
    optimizer = kit.sgd(model, lr=0.05 if repaired else knobs.pick(8.0, 12.0))
    batches = []
    for _ in range(80):
        speed = torch.randn(16, 1, 2)
        batches.append((speed + 0.2 * torch.randn(16, 6, 2), 2 * speed[:, 0]))
    return Scenario(
        model, optimizer, batches, kit.train(model, optimizer, nll), Expected(("learning-rate",), (), (), None)
    )
