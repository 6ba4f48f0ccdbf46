"""Image latents were computed once and kept on disk; one file holds numbers that are not numbers
(huggingface/diffusers issue 7563).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class UNet(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, width, 3, padding=1)
        self.time = nn.Linear(1, width)
        self.mid = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = nn.functional.silu(self.conv_in(x) + self.time(t)[:, :, None, None])
        return self.conv_out(h + nn.functional.silu(self.mid(h)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    unet = UNet(2, knobs.pick(12, 16))
    optimizer = torch.optim.AdamW(unet.parameters(), lr=0.01, weight_decay=0.01)

    def train_step(batch: Any) -> Tensor:
        latents, t = batch["latents"], batch["timesteps"]
        noise = batch["noise"]
        alpha = (1 - t)[:, :, None, None]
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        loss = nn.functional.mse_loss(unet(noisy, t), noise)
        loss.backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    subject = torch.randn(2, 2, 4, 4)
    batches = []
    for number in range(60):
        latents = subject[torch.randint(2, (8,))] + 0.05 * torch.randn(8, 2, 4, 4)
        if number == step and not repaired:
            latents[knobs.randint(0, 7), 0, 1:3] = torch.nan
        batches.append({"latents": latents, "timesteps": torch.rand(8, 1), "noise": torch.randn(8, 2, 4, 4)})
    return Scenario(unet, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), step))
