"""A generator and its judge: the loss of each goes up and down, and neither is meant to fall for good."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = nn.ModuleDict({"make": kit.mlp(3, 16, 2), "judge": kit.mlp(2, 16, 1)})
    make = torch.optim.Adam(model["make"].parameters(), lr=2e-3, betas=(0.5, 0.9))
    judge = torch.optim.Adam(model["judge"].parameters(), lr=4e-3, betas=(0.5, 0.9))
    noise = torch.Generator().manual_seed(seed)
    soft = nn.functional.softplus

    def train_step(real: Tensor) -> dict[str, Tensor]:
        made = model["make"](torch.randn(len(real), 3, generator=noise))
        judge.zero_grad()
        told = soft(-model["judge"](real)).mean() + soft(model["judge"](made.detach())).mean()
        told.backward()
        judge.step()
        make.zero_grad()
        fooled = soft(-model["judge"](made)).mean()
        fooled.backward()
        make.step()
        return {"judge": told, "make": fooled}

    middle = knobs.pick(1.5, 2.0)
    batches = [middle + 0.3 * torch.randn(32, 2) for _ in range(60)]
    return Scenario(model, judge, batches, train_step, learns=False, extra_state=(make,))
