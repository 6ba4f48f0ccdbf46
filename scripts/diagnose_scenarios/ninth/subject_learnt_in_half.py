"""A script that teaches a diffuser a new subject loads the net in float16 and trains it under a scaler, which will not
unscale float16 gradients (ShivamShrirao/diffusers issue 131).
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
    encoder = nn.Embedding(10, width)
    unet = kit.named(inp=nn.Linear(6, width), act=nn.SiLU(), out=nn.Linear(width, 6))
    model = nn.ModuleDict({"encoder": encoder.requires_grad_(False), "unet": unet if repaired else unet.half()})
    optimizer = torch.optim.AdamW(unet.parameters(), lr=0.01)
    scaler = kit.new_scaler(2.0**8)

    def train_step(batch: Any) -> Tensor:
        words, noise = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            found = model["unet"](noise + encoder(words).mean(1)[:, :6])
        prior, own = nn.functional.mse_loss(found.float(), noise, reduction="none").mean(1).chunk(2)
        loss = own.mean() + prior.mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        [(torch.randint(10, (16, 3)), torch.randn(16, 6)) for _ in range(60)],
        train_step,
        Expected(("scaler-misuse",), ("optimizer", "backward"), (), 0, "raises"),
        scaler=scaler,
    )
