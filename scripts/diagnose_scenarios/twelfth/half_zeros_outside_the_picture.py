"""A norm that divides each position by its length has an eps that half cannot hold; where a position is all zeros,
zero is divided by zero (huggingface/diffusers pull request 13316).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    def __init__(self, channels: int, upcast: bool) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, 1, 1))
        self.scale = channels**0.5
        self.upcast = upcast

    def forward(self, x: Tensor) -> Tensor:
        if self.upcast:
            x = x.float()
        length = x.pow(2).sum(1, keepdim=True).sqrt()
        eps = torch.full_like(length, 1e-12)
        return (x / torch.maximum(length, eps)).float() * self.scale * self.gamma


class Autoencoder(nn.Module):
    def __init__(self, channels: int, upcast: bool) -> None:
        super().__init__()
        self.norm = ChannelNorm(3, upcast)
        self.enc = nn.Conv2d(3, channels, 3, padding=1)
        self.dec = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.dec(nn.functional.silu(self.enc(self.norm(x.half()))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(6, 26)
    model = Autoencoder(knobs.pick(8, 12), repaired)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    mix = torch.randn(2, 3)
    batches = []
    for number in range(45):
        x = torch.einsum("bkhw,kc->bchw", torch.randn(6, 2, 6, 6), mix) + 0.05
        if number == step:
            x[knobs.randint(0, 5), :, : knobs.pick(1, 2)] = 0.0
        target = nn.functional.normalize(x, dim=1) * 3**0.5
        batches.append((x, target))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("underflow", "division-by-zero"), ("forward",), ("norm",), step),
    )
