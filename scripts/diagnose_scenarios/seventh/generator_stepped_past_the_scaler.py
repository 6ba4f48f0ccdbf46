"""A GAN under autocast steps its optimizers directly, with gradients that still carry the loss scale (as in
IAHispano/Applio pull request 860).
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
    model = nn.ModuleDict({"g": kit.mlp(4, width, 6), "d": kit.mlp(6, width, 1)})
    optimizer = torch.optim.SGD(model["g"].parameters(), lr=0.2)
    critic = torch.optim.SGD(model["d"].parameters(), lr=0.01)
    scaler = kit.new_scaler(2.0**12)
    truth = torch.randn(4, 6)

    def stepped(loss: Tensor, which: Any) -> None:
        which.zero_grad()
        scaler.scale(loss).backward()
        if repaired:
            scaler.step(which)
        else:
            which.step()

    def train_step(batch: Any) -> Tensor:
        z, real = batch
        with kit.autocast(torch.float16):
            fake = model["g"](z).float()
            good, poor = model["d"](real).float(), model["d"](fake.detach()).float()
        stepped((good - 1).square().mean() + poor.square().mean(), critic)
        with kit.autocast(torch.float16):
            fooled = model["d"](fake).float()
        match = (fake - real).abs().mean()
        stepped(match + 0.02 * (fooled - 1).square().mean(), optimizer)
        if repaired:
            scaler.update()
        return match

    batches = [(z, z @ truth) for z in (torch.randn(32, 4) for _ in range(80))]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("scaler-misuse",), (), (), 0),
        scaler=scaler,
        extra_state=(critic,),
    )
