"""A generator and a critic train against each other: the reported loss of the generator rises and falls, as in any
such game.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    maker = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))
    judge = nn.Sequential(nn.Linear(2, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))
    model = nn.ModuleDict({"maker": maker, "judge": judge})
    makes = torch.optim.Adam(maker.parameters(), lr=0.005, betas=(0.5, 0.9))
    judges = torch.optim.Adam(judge.parameters(), lr=0.005, betas=(0.5, 0.9))
    middle = torch.randn(2) * 2

    def train_step(noise: Tensor) -> Tensor:
        real = middle + 0.5 * torch.randn(noise.shape[0], 2)
        judges.zero_grad()
        told = judge(maker(noise).detach())
        (nn.functional.softplus(-judge(real)).mean() + nn.functional.softplus(told).mean()).backward()
        judges.step()
        makes.zero_grad()
        loss = nn.functional.softplus(-judge(maker(noise))).mean()
        loss.backward()
        makes.step()
        return loss

    return Scenario(
        model, makes, [torch.randn(24, 3) for _ in range(60)], train_step, learns=False, extra_state=(judges,)
    )
