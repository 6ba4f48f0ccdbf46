"""Sound is separated under a ratio in decibels: the loss starts above zero, falls through it, and ends far below."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def ratio(heard: Tensor, clean: Tensor) -> Tensor:
    """Minus the scale-invariant ratio of signal and error."""
    share = (heard * clean).sum(1, keepdim=True) / (clean.square().sum(1, keepdim=True) + 1e-8)
    signal = (share * clean).square().sum(1)
    error = (heard - share * clean).square().sum(1)
    return -10 * torch.log10((signal + 1e-8) / (error + 1e-8)).mean()


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    length = knobs.pick(32, 40)
    model = kit.named(enc=nn.Linear(length, 48), act=nn.PReLU(), dec=nn.Linear(48, length))
    optimizer = kit.adam(model, lr=0.005)
    times = torch.arange(length) / length * 6.283
    batches = []
    for _ in range(80):
        slow = torch.sin(times * 2 + 6.28 * torch.rand(24, 1)) * (0.5 + torch.rand(24, 1))
        fast = torch.sin(times * 9 + 6.28 * torch.rand(24, 1)) * (0.5 + torch.rand(24, 1))
        batches.append((slow + 2 * fast, slow))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, ratio, clip=5.0))
