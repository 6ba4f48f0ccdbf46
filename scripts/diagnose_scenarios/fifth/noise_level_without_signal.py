"""Losses of a diffusion model weighted by min(snr, gamma) / snr, under a schedule whose last level has no signal at all
(huggingface/diffusers pull request 5096, TiankaiHang/Min-SNR-Diffusion-Training pull request 4).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn

LEVELS = 20


def signal_left() -> Tensor:
    """Cumulative products rescaled so that the last one is exactly 0."""
    root = torch.linspace(0.05, 0.25, LEVELS).neg().add(1).cumprod(0).sqrt()
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])).square()


class Denoiser(nn.Module):
    def __init__(self, pixels: int, width: int) -> None:
        super().__init__()
        self.time = nn.Embedding(LEVELS, width)
        self.conv_in = nn.Linear(pixels, width)
        self.mid = nn.Linear(width, width)
        self.conv_out = nn.Linear(width, pixels)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = nn.functional.silu(self.conv_in(x) + self.time(t))
        return self.conv_out(h + nn.functional.silu(self.mid(h)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, gamma = knobs.step(), 5.0
    unet = Denoiser(12, knobs.pick(24, 32))
    optimizer = torch.optim.AdamW(unet.parameters(), lr=0.005)
    alphas = signal_left()
    snr = alphas / (1 - alphas)
    weights = snr.clamp(max=gamma) / (snr + 1 if repaired else snr)

    def train_step(batch: Any) -> Tensor:
        images, t = batch
        noise = torch.randn_like(images)
        alpha, sigma = alphas[t].sqrt()[:, None], (1 - alphas[t]).sqrt()[:, None]
        velocity = alpha * noise - sigma * images
        predicted = unet(alpha * images + sigma * noise, t)
        per_image = (predicted - velocity).square().mean(1)
        loss = (weights[t] * per_image).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        return loss

    shown = torch.randn(3, 12)
    batches = []
    for number in range(100):
        t = torch.randint(0, LEVELS - 1, (32,))
        if number == step:
            t[5] = LEVELS - 1
        batches.append((shown[torch.randint(3, (32,))], t))
    return Scenario(unet, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
