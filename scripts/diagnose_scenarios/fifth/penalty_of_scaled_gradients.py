"""A critic's gradient penalty takes the norm of gradients that still carry the loss scale, and wants it to be 1
(tensorflow/tensorflow issue 48662, pytorch/pytorch issue 25081).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    critic = kit.named(fc1=nn.Linear(4, width), act=nn.Softplus(), fc2=nn.Linear(width, 1))
    optimizer = kit.sgd(critic, lr=0.02)
    scaler = kit.new_scaler(2.0 ** knobs.pick(12, 13))

    def penalty(mixed: Tensor) -> Tensor:
        mixed = mixed.requires_grad_(True)
        (slope,) = torch.autograd.grad(scaler.scale(critic(mixed).sum()), mixed, create_graph=True)
        if repaired:
            slope = slope / scaler.get_scale()
        return (slope.norm(2, dim=1) - 1).square().mean()

    def train_step(batch: Any) -> Tensor:
        real, fake = batch
        optimizer.zero_grad()
        share = torch.rand(len(real), 1)
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty(share * real + (1 - share) * fake)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    middle = 2 * torch.randn(4)
    batches = [(middle + torch.randn(24, 4), torch.randn(24, 4)) for _ in range(60)]
    expected = Expected(("scaler-misuse",), (), (), None)
    return Scenario(critic, optimizer, batches, train_step, expected, scaler=scaler)
