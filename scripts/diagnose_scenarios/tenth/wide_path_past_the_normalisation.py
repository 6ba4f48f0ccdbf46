"""In a wide and deep net the deep path sees normalised columns, the wide path goes round the normalisation and hands
raw columns of thousands to the output (ageron/handson-ml3 pull request 20).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class WideAndDeep(nn.Module):
    def __init__(self, columns: int, width: int, mean: Tensor, spread: Tensor, through: bool) -> None:
        super().__init__()
        self.mean, self.spread, self.through = nn.Buffer(mean), nn.Buffer(spread), through
        self.hidden = nn.Sequential(nn.Linear(columns, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.output = nn.Linear(columns + width, 1)

    def forward(self, x: Tensor) -> Tensor:
        normal = (x - self.mean) / self.spread
        return self.output(torch.cat([normal if self.through else x, self.hidden(normal)], 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    spread = torch.tensor([2.0, 12.0, 2.0, 0.5, knobs.pick(1100.0, 1400.0), 10.0, 2.0, 2.0])
    model = WideAndDeep(8, knobs.pick(12, 16), 1.3 * spread, spread, repaired)
    optimizer = kit.sgd(model, lr=0.02)
    batches = [(spread * (x + 1.3), y) for x, y in kit.regression(60, 32, 8)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
