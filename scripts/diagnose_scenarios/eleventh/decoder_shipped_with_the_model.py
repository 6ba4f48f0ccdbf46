"""Sliders of a concept are trained on a card without bfloat16; the frozen autoencoder of the model has activations that
float16 cannot hold, and with one that was rescaled the same loop trains (rohitgandikota/sliders issue 30).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Vae(nn.Module):
    """A frozen encoder in float16: wide in the middle, narrow again behind."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(1, 8, 3, padding=1)
        self.mid = nn.Conv2d(8, 8, 3, padding=1)
        self.conv_out = nn.Conv2d(8, 2, 1)
        with torch.no_grad():
            self.conv_in.weight.mul_(gain)
            self.mid.weight.mul_(gain)
            self.conv_out.weight.div_(gain**2)
        self.half().requires_grad_(False)

    def forward(self, picture: Tensor) -> Tensor:
        return self.conv_out(self.mid(self.conv_in(picture.half()).relu())).float()


class Slider(nn.Module):
    def __init__(self, gain: float, rank: int) -> None:
        super().__init__()
        self.vae = Vae(gain)
        self.unet = nn.Conv2d(2, 8, 3, padding=1).requires_grad_(False)
        self.lora_down = nn.Conv2d(2, rank, 3, padding=1, bias=False)
        self.lora_up = nn.Conv2d(rank, 8, 1, bias=False)
        nn.init.zeros_(self.lora_up.weight)
        self.out = nn.Conv2d(8, 1, 1)

    def forward(self, picture: Tensor) -> Tensor:
        latent = self.vae(picture)
        return self.out((self.unet(latent) + self.lora_up(self.lora_down(latent))).relu()).mean((2, 3))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Slider(1.0 if repaired else knobs.pick(1500.0, 2000.0), knobs.pick(2, 4))
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=0.02)
    batches = []
    for _ in range(60):
        level = torch.randn(16, 1)
        batches.append((level[..., None, None] + 0.2 * torch.randn(16, 1, 6, 6), level))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-overflow",), ("forward",), ("vae.mid",), 0),
    )
