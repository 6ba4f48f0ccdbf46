"""A fine-tuning script for a picture diffuser clips gradients to length 1 while they still carry the loss scale; what
is left after unscaling is next to nothing (harubaru/waifu-diffusion issue 64).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Unet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.time = nn.Linear(1, width)
        self.down = nn.Conv2d(2, width, 3, padding=1)
        self.mid = nn.Conv2d(width, width, 3, padding=1)
        self.up = nn.Conv2d(2 * width, 2, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = nn.functional.silu(self.down(x) + self.time(t)[..., None, None])
        return self.up(torch.cat([h, nn.functional.silu(self.mid(h))], 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Unet(knobs.pick(8, 10))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    scaler = kit.new_scaler(2.0 ** knobs.pick(14, 15))

    def train_step(batch: Any) -> Tensor:
        latent, noise, t = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            level = t[..., None, None]
            found = model((1 - level).sqrt() * latent + level.sqrt() * noise, t)
        loss = nn.functional.mse_loss(found.float(), noise)
        scaler.scale(loss).backward()
        if repaired:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss

    style = torch.randn(3, 2, 6, 6)
    batches = []
    for _ in range(50):
        latent = style[torch.randint(3, (8,))]
        batches.append((latent, torch.randn(8, 2, 6, 6), 0.3 + 0.7 * torch.rand(8, 1)))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("scaler-misuse",), ("optimizer", "backward"), (), 0, "stalls"),
        scaler=scaler,
    )
