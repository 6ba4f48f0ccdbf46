"""Statistics pooling takes the root of a variance over time; a constant recording has variance 0, and the slope is
infinite.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Stats(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1)
        spread = ((x - mean[:, None]).square().mean(1) + self.eps).sqrt()
        return torch.cat([mean, spread], 1)


class Speaker(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.frame = nn.Linear(4, width)
        self.stats = Stats(eps)
        self.who = nn.Linear(2 * width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.who(self.stats(torch.tanh(self.frame(x))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, frames = knobs.step(), knobs.pick(8, 16)
    model = Speaker(knobs.pick(8, 12), 1e-6 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.02)
    voices = torch.randn(3, 4)
    labels = [torch.randint(3, (12,)) for _ in range(50)]
    batches = [(voices[y][:, None] + 0.5 * torch.randn(12, frames, 4), y) for y in labels]
    batches[step][0][4] = 0.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("singular-gradient",), ("backward",), ("stats",), step),
    )
