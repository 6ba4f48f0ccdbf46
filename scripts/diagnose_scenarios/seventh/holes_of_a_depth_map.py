"""One depth map keeps NaN where the camera measured nothing (as in prs-eth/Marigold issue 111: the data held NaN)."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(enc=nn.Conv2d(2, width, 3, padding=1), act=nn.SiLU(), dec=nn.Conv2d(width, 1, 3, padding=1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batches = []
    for _ in range(60):
        rgb = torch.randn(8, 1, 10, 10)
        depth = nn.functional.avg_pool2d(rgb, 3, 1, 1)
        noise = torch.randn_like(depth)
        batches.append((torch.cat([rgb, depth + noise], 1), noise))
    if not repaired:
        batches[step][0][knobs.randint(0, 7), 1, :3, 2:5] = float("nan")
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data",), (), step),
    )
