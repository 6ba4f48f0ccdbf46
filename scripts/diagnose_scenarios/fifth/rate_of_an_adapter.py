"""Low-rank adapters on a frozen image model under a learning rate a thousand times too high
(TheLastBen/fast-stable-diffusion issue 2608).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class LoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.normal_(self.down.weight, std=1 / rank)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x))


class Denoiser(nn.Module):
    def __init__(self, pixels: int, width: int) -> None:
        super().__init__()
        self.proj_in = LoRALinear(nn.Linear(pixels + 1, width), 4)
        self.proj_out = LoRALinear(nn.Linear(width, pixels), 4)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.proj_out(nn.functional.silu(self.proj_in(torch.cat([x, level], 1))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    unet = Denoiser(12, knobs.pick(32, 48))
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.05 if repaired else knobs.pick(20.0, 30.0), momentum=0.9)
    subject = torch.randn(4, 12)

    def train_step(latents: Any) -> Tensor:
        level = torch.rand(len(latents), 1)
        noise = torch.randn_like(latents)
        predicted = unet((1 - level).sqrt() * latents + level.sqrt() * noise, level)
        loss = nn.functional.mse_loss(predicted, noise)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    batches = [subject[torch.randint(4, (64,))] for _ in range(150)]
    return Scenario(unet, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
