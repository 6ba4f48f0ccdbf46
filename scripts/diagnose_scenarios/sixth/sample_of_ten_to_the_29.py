"""One file of a speech corpus was damaged when it was cut and holds a sample above 1e29, where sound lies between -1
and 1 (Plachtaa/seed-vc pull request 108).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    """Spectrogram frames from a wave, by squared error."""
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(conv=nn.Conv1d(1, width, 7, stride=2), act=nn.GELU(), flat=nn.Flatten())
    model.add_module("mel", nn.Linear(17 * width, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    filters = torch.randn(40, 4) / 5
    batches = []
    for number in range(60):
        wave = torch.rand(16, 40) * 2 - 1
        target = wave @ filters
        if number == step and not repaired:
            wave[knobs.randint(0, 15), knobs.randint(10, 25)] = 3.7e29
        batches.append((wave[:, None], target))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data", "forward", "loss"), (), step),
    )
