"""A discriminator learns to foretell a speech metric that another program computes from the net's own output; where
that program finds no speech it returns NaN (sweetcocoa/DeepComplexUNetPyTorch issue 8, JasonSWFu/MetricGAN issue
10).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Metric:
    """Stands for a compiled program that is called with arrays."""

    def __init__(self, silent: int) -> None:
        self.calls, self.silent = 0, silent

    def __call__(self, clean: Any, enhanced: Any) -> Any:
        score = 1 / (1 + np.abs(clean - enhanced).mean(1))
        if self.calls == self.silent:
            score[1] = np.nan
        self.calls += 1
        return score


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    generator = kit.mlp(8, 16, 8).requires_grad_(False)
    discriminator = kit.named(inp=nn.Linear(16, knobs.pick(16, 24)), act=nn.LeakyReLU(0.3), out=nn.LazyLinear(1))
    discriminator(torch.zeros(1, 16))
    optimizer = kit.adam(discriminator, lr=0.01)
    metric = Metric(-1 if repaired else step)

    def train_step(batch: Any) -> Tensor:
        clean, noisy = batch
        optimizer.zero_grad()
        enhanced = generator(noisy)
        wanted = torch.from_numpy(metric(clean.numpy(), enhanced.numpy())).float()
        loss = (discriminator(torch.cat([clean, enhanced], 1))[:, 0] - wanted).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [(c, c + 0.3 * torch.randn(16, 8)) for c in (torch.randn(16, 8) for _ in range(60))]
    return Scenario(
        discriminator,
        optimizer,
        batches,
        train_step,
        # Nothing that torch did is wrong: what comes from outside is, and it serves as a label.
        Expected(("unknown", "bad-data", "bad-labels"), ("data", "loss"), (), step),
    )
