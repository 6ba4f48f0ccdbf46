"""A series classifier normalises its pooled features, and the last batch of the epoch holds one series (as in
tcapelle/timeseries_fastai issue 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(
        conv=nn.Conv1d(1, width, 5, padding=2),
        relu=nn.ReLU(),
        pool=nn.AdaptiveAvgPool1d(1),
        flat=nn.Flatten(),
        bn=nn.BatchNorm1d(width),
        fc=nn.Linear(width, 3),
    )
    optimizer = kit.adam(model, lr=0.03)
    time = torch.arange(24.0)
    batches = []
    for number in range(60):
        y = torch.randint(3, (1 if number == step and not repaired else 16,))
        phase = 6.3 * torch.rand(len(y), 1)
        x = (time * (0.3 + 0.5 * y[:, None]) + phase).sin() + 0.1 * torch.randn(len(y), 24)
        batches.append((x[:, None], y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("bn",), step, "raises"),
    )
