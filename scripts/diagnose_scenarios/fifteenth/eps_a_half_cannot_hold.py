"""Adam updates half weights, and its epsilon of a hundred-millionth is nought in half; where the second moment has
gone to nought as well, the first step divides nought by nought (pytorch/pytorch issue 147437).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Extractor(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.extract = nn.Linear(inputs, width, dtype=torch.float16)
        self.frozen = nn.Linear(width, 2)
        self.frozen.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(self.extract(x.half()).float().tanh())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs = knobs.pick(6, 8)
    model = Extractor(inputs, 16)
    eps = 1e-4 if repaired else 1e-8
    optimizer = torch.optim.Adam(model.extract.parameters(), lr=0.02, eps=eps, foreach=False)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 48, inputs, 2),
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), ("extract",), 0),
    )
