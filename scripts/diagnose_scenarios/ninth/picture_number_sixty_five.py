"""A discriminator appends the deviation over its batch as a further map; of 65 pictures in batches of 8 the last one is
alone, and the deviation of one value is no number (ziwei-jiang/PGGAN-PyTorch issue 1).
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class MinibatchStd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spread = torch.std(x, dim=0).mean()
        return torch.cat([x, spread.expand(x.shape[0], 1, *x.shape[2:])], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    epoch = knobs.randint(5, 8)
    critic = kit.named(
        rgb=nn.Conv2d(3, 8, 1),
        act=nn.LeakyReLU(0.2),
        std=MinibatchStd(),
        conv=nn.Conv2d(9, 8, 3),
        act2=nn.LeakyReLU(0.2),
        flat=nn.Flatten(),
        out=nn.Linear(32, 1),
    )
    maker = kit.named(fc=nn.Linear(4, 24), act=nn.ReLU(), out=nn.Linear(24, 48))
    model = nn.ModuleDict({"critic": critic, "maker": maker})
    of_critic = torch.optim.Adam(critic.parameters(), lr=0.003, betas=(0.0, 0.99))
    of_maker = torch.optim.Adam(maker.parameters(), lr=0.003, betas=(0.0, 0.99))

    def train_step(batch: Any) -> Tensor:
        real, z = batch
        fake = maker(z).view(-1, 3, 4, 4)
        of_critic.zero_grad()
        loss = (nn.functional.softplus(critic(fake.detach())) + nn.functional.softplus(-critic(real))).mean()
        loss.backward()
        of_critic.step()
        of_maker.zero_grad()
        nn.functional.softplus(-critic(fake)).mean().backward()
        of_maker.step()
        return loss

    base = torch.randn(3, 4, 4)
    batches = []
    for number in range(40):
        last = number % epoch == epoch - 1
        if last and repaired:
            continue
        count = 1 if last else 8
        batches.append((base + 0.3 * torch.randn(count, 3, 4, 4), torch.randn(count, 4)))
    return Scenario(
        model,
        of_critic,
        batches,
        train_step,
        Expected(("batch-statistics",), ("forward",), ("critic.std",), epoch - 1),
        learns=False,
        extra_state=(of_maker,),
    )
