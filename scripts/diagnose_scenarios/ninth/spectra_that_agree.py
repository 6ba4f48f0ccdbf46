"""A cloud remover is trained on the angle between spectra, an arc cosine; for a pixel that is rebuilt exactly the
cosine is 1, where the arc cosine has no slope (G-pz/HPN-CR issue 4).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Remover(nn.Module):
    """Adds a correction where the cloud mask says so, and nothing where it does not."""

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.inp = nn.Conv2d(bands, width, 1)
        self.out = nn.Conv2d(width, bands, 1)

    def forward(self, x: Tensor, cloud: Tensor) -> Tensor:
        return x + cloud * self.out(nn.functional.gelu(self.inp(x)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, bands = knobs.step(), 4
    model = Remover(bands, knobs.pick(16, 20))
    optimizer = kit.adam(model, lr=0.005)
    most = 1 - 1e-6 if repaired else 1.0

    def angle(found: Tensor, wanted: Tensor) -> Tensor:
        dot, lengths = (found * wanted).sum(1), found.norm(dim=1) * wanted.norm(dim=1)
        return torch.acos((dot / lengths).clamp(-most, most)).mean()

    def train_step(batch: Any) -> Tensor:
        x, cloud, clear = batch
        optimizer.zero_grad()
        found = model(x, cloud)
        loss = (found - clear).abs().mean() + 0.1 * angle(found, clear)
        loss.backward()
        optimizer.step()
        return loss

    ground = torch.rand(3, bands) + 0.1
    batches = []
    for number in range(60):
        clear = ground[torch.randint(3, (4, 6, 6))].permute(0, 3, 1, 2) * (0.8 + 0.4 * torch.rand(4, 1, 6, 6))
        cloud = torch.ones(4, 1, 6, 6)
        x = clear + 0.5 + 0.1 * torch.randn(4, bands, 6, 6)
        if number == step:
            cloud[:, :, 0, 0] = 0
            clear[:, :, 0, 0] = 0.5
            x[:, :, 0, 0] = 0.5
        batches.append((x, cloud, clear))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("loss", "backward"), (LOSS,), step),
    )
