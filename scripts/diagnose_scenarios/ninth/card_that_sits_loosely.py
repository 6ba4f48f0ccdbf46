"""A card sits loosely in its socket: an autoencoder of faces trains for a while, then parts of a feature map come back
beyond all bounds; wiggling at the card brings it about (deepfakes/faceswap issue 310).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, row = knobs.step(), knobs.randint(0, 2)
    model = kit.named(
        enc1=nn.Conv2d(3, 8, 3, stride=2, padding=1),
        act1=nn.LeakyReLU(0.1),
        enc2=nn.Conv2d(8, 12, 3, stride=2, padding=1),
        act2=nn.LeakyReLU(0.1),
        dec1=nn.ConvTranspose2d(12, 8, 2, stride=2),
        act3=nn.LeakyReLU(0.1),
        dec2=nn.ConvTranspose2d(8, 3, 2, stride=2),
        out=nn.Sigmoid(),
    )
    optimizer = kit.adam(model, lr=0.01, betas=(0.5, 0.999))

    def line(call: Call) -> None:
        call.out[1, 4, row] = math.inf
        call.out[1, 5, row] = -math.inf

    bad = Device(["convolution"], line, when=shaped(8, 12, 3, 3), dtypes=SINGLE, calls=[step + 1, step + 2, step + 5])
    faces = torch.rand(4, 3, 12, 12)
    batches = []
    for _ in range(50):
        picture = (faces[torch.randint(4, (8,))] + 0.05 * torch.randn(8, 3, 12, 12)).clamp(0, 1)
        batches.append((picture, picture))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("enc2",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
