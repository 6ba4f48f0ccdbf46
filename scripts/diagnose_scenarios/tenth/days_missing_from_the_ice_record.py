"""A record of sea ice has days without a picture; they are no longer filled with zeros on the way, and a whole frame
of a window is NaN (icenet-ai/icenet issue 46).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, days, size = knobs.randint(2, 14), 4, knobs.pick(8, 10)
    model = kit.named(
        down=nn.Conv2d(days, 8, 3, padding=1),
        act=nn.SiLU(),
        norm=nn.GroupNorm(2, 8),
        up=nn.Conv2d(8, 1, 3, padding=1),
    )
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.01)

    def train_step(window: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad()
        loss = (window["weights"] * (model(window["input"]) - window["output"]).square()).mean()
        loss.backward()
        optimizer.step()
        return loss

    windows = []
    for number in range(50):
        edge = torch.rand(8, 1, 1, 1) * size
        drift = torch.arange(days + 1)[None, :, None, None] * 0.3
        record = torch.sigmoid(torch.arange(size).float() - edge - drift).expand(8, -1, size, size).clone()
        if number == step:
            record[knobs.randint(0, 7), knobs.randint(0, days - 1)] = 0.0 if repaired else math.nan
        windows.append({"input": record[:, :days], "output": record[:, days:], "weights": torch.ones(8, 1, 1, 1)})
    return Scenario(
        model, optimizer, windows, train_step, Expected(("bad-data",), ("data", "forward"), ("down",), step)
    )
