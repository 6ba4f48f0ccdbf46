"""The ratio of signal to distortion projects the estimate on the wanted source; a source that is silent in one clip has
no length to divide by (csteinmetz1/auraloss issue 25).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, spare = knobs.randint(7, 17), 1e-8 if repaired else 0.0
    model = kit.named(
        enc=nn.Conv1d(1, 12, 8, stride=4, padding=2),
        act=nn.PReLU(),
        dec=nn.ConvTranspose1d(12, 1, 8, stride=4, padding=2),
    )
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        mixture, source = batch
        optimizer.zero_grad()
        estimate = model(mixture)[:, 0]
        share = (estimate * source).sum(1, keepdim=True) / (source.square().sum(1, keepdim=True) + spare)
        wanted = share * source
        rest = (estimate - wanted).square().sum(1) + 1e-8
        loss = -10 * ((wanted.square().sum(1) + 1e-8) / rest).log10().mean()
        loss.backward()
        optimizer.step()
        return loss

    ramp = torch.linspace(0, 20, 64)
    batches = []
    for number in range(60):
        source = torch.sin(ramp * (1 + torch.rand(12, 1)) + torch.rand(12, 1))
        if number == step:
            source[knobs.randint(0, 11)] = 0
        batches.append(((source + 0.5 * torch.randn(12, 64))[:, None], source))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
        learns=False,
    )
