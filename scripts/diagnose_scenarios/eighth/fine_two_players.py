"""A generator and a discriminator play against each other; neither loss need fall."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    maker, judge = kit.mlp(4, knobs.pick(24, 32), 2), kit.mlp(2, 32, 1)
    model = nn.ModuleDict({"maker": maker, "judge": judge})
    optimizer = torch.optim.Adam(
        [{"params": maker.parameters(), "lr": 0.002}, {"params": judge.parameters(), "lr": 0.004}],
        betas=(0.5, 0.99),
    )

    def train_step(batch: Any) -> Tensor:
        real, noise = batch
        optimizer.zero_grad()
        fake = maker(noise)
        judged = nn.functional.softplus(-judge(real)).mean() + nn.functional.softplus(judge(fake.detach())).mean()
        judge.requires_grad_(False)
        made = nn.functional.softplus(-judge(fake)).mean()
        judge.requires_grad_(True)
        (judged + made).backward()
        optimizer.step()
        return judged + made

    batches = [(torch.randn(32, 2) * 0.3 + 1, torch.randn(32, 4)) for _ in range(80)]
    return Scenario(model, optimizer, batches, train_step, learns=False)
