"""A series has a missing value in the column to be forecast, which is target first and input afterwards (as in
Nixtla/neuralforecast issue 186).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    past, step = 12, knobs.step()
    model = kit.mlp(past, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.01)
    time = torch.arange(8 * 60 + past + 1.0)
    series = (time * 0.4).sin() + 0.05 * torch.randn(len(time))
    if not repaired:
        series[8 * step + past + 3] = float("nan")
    windows = series.unfold(0, past + 1, 1)
    batches = [(windows[8 * n : 8 * n + 8, :past], windows[8 * n : 8 * n + 8, past:]) for n in range(60)]
    # within one batch the same value is the target of one window and an input of the next ones
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.l1_loss),
        Expected(("bad-labels", "bad-data"), ("data", "loss"), (), step),
    )
