"""A net of sines draws its first layer as narrow as the others, so that it sees no detail; with a first layer of its
own it converges quickly (lucidrains/siren-pytorch issue 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sine(nn.Module):
    def __init__(self, inputs: int, outputs: int, w0: float, first: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.w0 = w0
        bound = 1 / inputs if first else (6 / inputs) ** 0.5 / w0
        nn.init.uniform_(self.linear.weight, -bound, bound)
        nn.init.uniform_(self.linear.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return (self.w0 * self.linear(x)).sin()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, w0 = knobs.pick(32, 40), 30.0
    model = nn.Sequential(Sine(1, width, w0, repaired), Sine(width, width, w0, False), nn.Linear(width, 1))
    nn.init.uniform_(model[2].weight, -0.03, 0.03)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    tones = torch.tensor([knobs.pick(18.0, 22.0), knobs.pick(31.0, 36.0)])
    batches = []
    for _ in range(80):
        x = 2 * torch.rand(128, 1) - 1
        batches.append((x, (tones * x).sin().sum(1, keepdim=True)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
