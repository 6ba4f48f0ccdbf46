"""A loss adds a hundred-millionth to one minus the pixel so that its logarithm exists; beside one the small number is
lost, and a white pixel gives the logarithm of zero (kvfrans/variational-autoencoder issue 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Pixels(nn.Module):
    def __init__(self, pixels: int, code: int) -> None:
        super().__init__()
        self.encode = nn.Linear(pixels, code)
        self.decode = nn.Linear(code, pixels)
        self.level = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        return (self.level * self.decode(self.encode(x))).sigmoid()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, pixels = knobs.randint(8, 30), knobs.pick(16, 20)
    model = Pixels(pixels, 6)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    small = 1e-6 if repaired else 1e-8

    def reconstruction(made: Tensor, x: Tensor) -> Tensor:
        return -(x * (small + made).log() + (1 - x) * (small + 1 - made).log()).sum(1).mean()

    kinds = (torch.rand(4, pixels) < 0.5).float()
    batches = []
    for number in range(50):
        x = kinds[torch.randint(4, (24,))]
        if number == step:
            with_noise = x.clone()
            with_noise[0] = knobs.pick(60.0, 80.0) * (2 * x[0] - 1)
            batches.append((with_noise, x))
        else:
            batches.append((x, x))
    nn.init.normal_(model.decode.weight, 0.0, 0.1)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, reconstruction),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
