"""A generator and a critic take turns: their losses go up and down for ever, and nothing is wrong."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn
from torch.nn import functional


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = nn.ModuleDict({"make": kit.mlp(3, width, 2), "judge": kit.mlp(2, width, 1)})
    first = torch.optim.Adam(model["make"].parameters(), lr=0.005, betas=(0.5, 0.99))
    second = torch.optim.Adam(model["judge"].parameters(), lr=0.005, betas=(0.5, 0.99))

    def train_step(batch: Any) -> Tensor:
        real, noise = batch
        second.zero_grad()
        made = model["make"](noise)
        wrong = functional.softplus(-model["judge"](real)) + functional.softplus(model["judge"](made.detach()))
        wrong.mean().backward()
        second.step()
        first.zero_grad()
        loss = functional.softplus(-model["judge"](made)).mean()
        loss.backward()
        first.step()
        return loss

    batches = [(torch.randn(32, 2) * 0.5 + 1, torch.randn(32, 3)) for _ in range(80)]
    return Scenario(model, first, batches, train_step, learns=False, extra_state=(second,))
