"""A critic is held to slopes of length one, which takes the gradient of a gradient; the length has a small number under
its root.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    critic = kit.named(inp=nn.Linear(2, knobs.pick(16, 24)), act=nn.Softplus(beta=4), out=nn.LazyLinear(1))
    critic(torch.zeros(1, 2))
    optimizer = torch.optim.Adam(critic.parameters(), lr=0.01, betas=(0.0, 0.9))

    def train_step(batch: Any) -> Tensor:
        real, fake = batch
        between = real + torch.rand(len(real), 1) * (fake - real)
        between.requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        length = (slope.square().sum(1) + 1e-12).sqrt()
        optimizer.zero_grad()
        loss = critic(fake).mean() - critic(real).mean() + 10 * (length - 1).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [(torch.randn(32, 2) * 0.2 + 1.5, torch.randn(32, 2)) for _ in range(60)]
    return Scenario(critic, optimizer, batches, train_step)
