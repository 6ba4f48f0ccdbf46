"""The profile of a lens has one formula inside a radius and another outside; both are computed everywhere, and the
one that is not taken has no slope (Ciela-Institute/caustics pull request 83).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def profile(x: Tensor, safe: bool) -> Tensor:
    near, far = (x.clamp(max=0.99), x.clamp(min=1.01)) if safe else (x, x)
    inside = torch.atanh((1 - near.square()).sqrt()) / (1 - near.square()).sqrt()
    outside = torch.atan((far.square() - 1).sqrt()) / (far.square() - 1).sqrt()
    return torch.where(x < 1, inside, outside)


class Lens(nn.Module):
    def __init__(self, scale: float, safe: bool) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.mass = nn.Parameter(torch.tensor(1.0))
        self.safe = safe

    def forward(self, radius: Tensor) -> Tensor:
        return self.mass * profile(radius / self.log_scale.exp(), self.safe)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(5, 25)
    model = Lens(0.2, repaired)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    true = knobs.pick(2.0, 2.5)
    batches = []
    for number in range(60):
        radius = 1.5 + 2 * torch.rand(32)
        if number >= step:
            radius[: knobs.randint(1, 8)] = 0.05
        batches.append((radius, true * profile(radius / 0.3, True)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), (), 0),
    )
