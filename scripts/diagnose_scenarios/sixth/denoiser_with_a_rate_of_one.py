"""A microscopy denoiser is trained with Adam at a learning rate of 1, from its own configuration file (PENGLU-
WashU/IMC_Denoise issue 11).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Denoiser(nn.Module):
    """Predicts the noise and takes it away."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3 = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x1 = nn.functional.leaky_relu(self.conv1(x), 0.1)
        return x - self.conv3(nn.functional.leaky_relu(self.conv2(x1), 0.1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Denoiser(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.005 if repaired else knobs.pick(1.0, 1.5))
    rows = torch.linspace(0, 3.1, 12)
    batches = []
    for _ in range(60):
        phase = rows[:, None] * torch.rand(8, 1, 1, 1) * 2 + rows[None, :] * torch.rand(8, 1, 1, 1)
        clean = phase.sin()
        batches.append((clean + 0.7 * torch.randn_like(clean), clean))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None, "diverges"),
    )
