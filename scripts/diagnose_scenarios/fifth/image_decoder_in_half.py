"""An image autoencoder trained in float32 has decoder activations beyond 65504, harmless before a group norm; under
float16 they are infinite (mosaicml/diffusion pull request 61, threestudio issue 330, on SDXL's autoencoder).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    vae = kit.named(
        encoder=nn.Conv2d(1, 4, 2, stride=2),
        conv_in=nn.Conv2d(4, width, 3, padding=1),
        up=nn.Upsample(scale_factor=2),
        conv_up=nn.Conv2d(width, width, 3, padding=1),
        norm=nn.GroupNorm(2, width),
        act=nn.SiLU(),
        conv_out=nn.Conv2d(width, 1, 3, padding=1),
    )
    with torch.no_grad():
        vae.conv_in.weight.mul_(1.0 if repaired else knobs.pick(600.0, 800.0))
        vae.conv_up.weight.mul_(1.0 if repaired else knobs.pick(800.0, 1000.0))
    vae.encoder.requires_grad_(False)
    vae.conv_in.requires_grad_(False)
    trained = [*vae.conv_up.parameters(), *vae.norm.parameters(), *vae.conv_out.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=0.01)
    smooth = nn.AvgPool2d(3, 1, 1)
    batches = [(x, x) for x in (2 * smooth(torch.randn(6, 1, 8, 8)) for _ in range(40))]
    return Scenario(
        vae,
        optimizer,
        batches,
        kit.train(vae, optimizer, kit.squares, scaler=None, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("conv_up",)),
    )
