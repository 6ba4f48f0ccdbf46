"""Every series is brought to the range from zero to one by its own least and greatest value inside the net; a series
that never changes is divided by a range of zero (tslearn-team/tslearn issue 314).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class MinMax(nn.Module):
    def __init__(self, safe: bool) -> None:
        super().__init__()
        self.safe = safe

    def forward(self, series: Tensor) -> Tensor:
        least, most = series.amin(1, keepdim=True), series.amax(1, keepdim=True)
        reach = most - least
        if self.safe:
            reach = torch.where(reach == 0, 1.0, reach)
        return (series - least) / reach


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length, step = knobs.pick(16, 20), knobs.randint(12, 40)
    model = kit.named(
        scaler=MinMax(repaired),
        inp=nn.Linear(length, 24),
        act=nn.ELU(),
        out=nn.Linear(24, 3),
    )
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.003)
    times = torch.arange(length) / length
    batches = []
    for number in range(60):
        y = torch.randint(3, (24,))
        series = torch.sin(6.28 * times * (1.0 + y[:, None])) * torch.rand(24, 1) * 5 + torch.randn(24, 1) * 10
        series = series + 0.1 * torch.randn(24, length)
        if number == step:
            series[knobs.randint(0, 23)] = float(knobs.randint(1, 9))
        batches.append((series, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("division-by-zero",), ("forward",), ("scaler",), step),
    )
