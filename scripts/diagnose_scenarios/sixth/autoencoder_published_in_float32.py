"""An image autoencoder trained in float32 has activations beyond 65504 between its norms; used in float16, it gives no
numbers (huggingface/diffusers issue 7188).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Resnet(nn.Module):
    def __init__(self, inputs: int, outputs: int, size: float) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(2, inputs)
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        with torch.no_grad():
            self.shortcut.weight.mul_(size)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.conv(nn.functional.silu(self.norm(x)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, size = 8, knobs.pick(130.0, 160.0)
    model = kit.named(
        conv_in=nn.Conv2d(1, width, 3, padding=1),
        down1=Resnet(width, width, size),
        down2=Resnet(width, width, size),
        down3=Resnet(width, width, size),
        norm_out=nn.GroupNorm(2, width),
        act=nn.SiLU(),
        conv_out=nn.Conv2d(width, 1, 3, padding=1),
    )
    optimizer = kit.adam(model, lr=0.01)
    batches = [(x, x) for x, _ in kit.images(30, 4, 1, 8, 3)]
    place = kit.first_overflow(model, batches[0][0], torch.float16)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.bfloat16 if repaired else torch.float16),
        Expected(("fp16-overflow",), ("forward",), (place, place.split(".")[0])),
    )
