"""The loop logs figures that are infinite or not a number, a logarithm of zero and a mean of nothing; none is used."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(conv=nn.Conv2d(1, width, 3, padding=1), act=nn.ReLU(), out=nn.Conv2d(width, 1, 3, padding=1))
    optimizer = kit.adam(model, lr=0.02)
    log: list[tuple[float, float]] = []

    def train_step(batch: Any) -> Tensor:
        noisy, clean = batch
        optimizer.zero_grad()
        out = model(noisy)
        loss = kit.squares(out, clean)
        with torch.no_grad():
            ratio = -10 * (clean[:, :, :1, :1] - clean[:, :, :1, :1]).square().mean().log10()
            wrong = out[(out - clean).abs() > 100].mean()
            log.append((float(ratio), float(wrong)))
        loss.backward()
        optimizer.step()
        return loss

    flat = [torch.rand(6, 1, 1, 1).expand(6, 1, 7, 7).contiguous() for _ in range(60)]
    return Scenario(model, optimizer, [(x + 0.5 * torch.randn(6, 1, 7, 7), x) for x in flat], train_step)
