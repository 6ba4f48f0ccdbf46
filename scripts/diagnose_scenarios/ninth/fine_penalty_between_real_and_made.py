"""A critic's slope is pulled to 1 on points between real and made pictures; the small constant stands inside the root.
Its loss goes below 0 and wanders.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    critic = kit.named(fc1=nn.Linear(6, width), a=nn.LeakyReLU(0.2), fc2=nn.Linear(width, width), b=nn.LeakyReLU(0.2))
    critic.add_module("out", nn.Linear(width, 1))
    maker = kit.named(fc=nn.Linear(2, width), a=nn.ReLU(), out=nn.Linear(width, 6))
    model = nn.ModuleDict({"critic": critic, "maker": maker})
    of_critic = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.0, 0.9))
    of_maker = torch.optim.Adam(maker.parameters(), lr=1e-3, betas=(0.0, 0.9))

    def train_step(batch: Any) -> Tensor:
        real, z, share = batch
        made = maker(z)
        between = (share * real + (1 - share) * made.detach()).requires_grad_(True)
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.square().sum(1) + 1e-12).sqrt() - 1).square().mean()
        loss = critic(made.detach()).mean() - critic(real).mean() + 10 * penalty
        of_critic.zero_grad()
        loss.backward()
        of_critic.step()
        of_maker.zero_grad()
        (-critic(made).mean()).backward()
        of_maker.step()
        return loss

    centres = torch.randn(3, 6)
    batches = []
    for _ in range(50):
        real = centres[torch.randint(3, (24,))] + 0.1 * torch.randn(24, 6)
        batches.append((real, torch.randn(24, 2), torch.rand(24, 1)))
    return Scenario(model, of_critic, batches, train_step, learns=False, extra_state=(of_maker,))
