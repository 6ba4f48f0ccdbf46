"""Adam with an eps of 1.0 and a rate that goes with it, as was long advised for some nets (ibab/tensorflow-wavenet
issue 149, dgriff777/rl_a3c_pytorch issue 29).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Inception(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(1, width, 1)
        self.three = nn.Conv2d(1, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(2 * width)
        self.fc = nn.Linear(2 * width * 9, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(torch.cat([self.one(x), self.three(x)], 1)).relu()
        return self.fc(nn.functional.max_pool2d(h, 2).flatten(1))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Inception(knobs.pick(6, 8))
    optimizer = kit.adam(model, lr=0.1, eps=1.0)
    return Scenario(model, optimizer, kit.images(60, 16, 1, 6, 4), kit.train(model, optimizer, kit.cross_entropy))
