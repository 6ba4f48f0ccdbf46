"""A diffusion schedule multiplied up in float16: at the last noise level no signal is left, its logarithm is -inf."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Level(nn.Module):
    """The log share of signal at noise level t, as a feature."""

    def __init__(self, levels: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("kept", 1 - torch.linspace(1e-3, 0.4, levels))
        self.dtype = dtype

    def forward(self, t: Tensor) -> Tensor:
        left = self.kept.to(self.dtype).cumprod(0)
        return left[t].log().float()[:, None] / 10


class Denoiser(nn.Module):
    def __init__(self, width: int, levels: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.level = Level(levels, dtype)
        self.inp = nn.Linear(5, width)
        self.out = nn.Linear(width, 4)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.out(self.inp(torch.cat([x, self.level(t)], 1)).tanh())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, levels = knobs.step(), knobs.pick(100, 110)
    model = Denoiser(knobs.pick(24, 32), levels, torch.float32 if repaired else torch.float16)
    optimizer = kit.adam(model, lr=0.02)
    left = (1 - torch.linspace(1e-3, 0.4, levels)).cumprod(0)

    def train_step(batch: Any) -> Tensor:
        clean, noise, t = batch
        share = left[t][:, None]
        optimizer.zero_grad()
        loss = kit.squares(model(share.sqrt() * clean + (1 - share).sqrt() * noise, t), noise)
        loss.backward()
        optimizer.step()
        return loss

    def batch(number: int) -> tuple[Tensor, Tensor, Tensor]:
        t = torch.randint(levels // 2, (32,))
        if number == step:
            t[7] = levels - 1
        return 0.3 * torch.randn(32, 4), torch.randn(32, 4), t

    return Scenario(
        model,
        optimizer,
        [batch(number) for number in range(100)],
        train_step,
        Expected(("underflow",), ("forward",), ("level",), step),
    )
