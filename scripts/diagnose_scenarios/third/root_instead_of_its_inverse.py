"""Weights drawn with the square root of the fan-in as their spread, where one over it was meant."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Trunk(nn.Module):
    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(width, width, 3, padding=1) for _ in range(layers)])

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = conv(x).relu()
        return x


class Net(nn.Module):
    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv1d(2, width, 1)
        self.trunk = Trunk(layers, width)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(self.stem(x)).mean(2))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    model = Net(28, width)
    fan = 3 * width
    for conv in model.trunk.convs:
        nn.init.normal_(conv.weight, std=(2 / fan) ** 0.5 if repaired else fan**0.5)
        nn.init.zeros_(conv.bias)
    optimizer = kit.adam(model, lr=0.0005)
    patterns = torch.randn(3, 2, 8)
    labels = [torch.randint(3, (16,)) for _ in range(60)]
    batches = [(patterns[y] + 0.2 * torch.randn(16, 2, 8), y) for y in labels]
    place = kit.first_overflow(model, batches[0][0])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), ("forward",), (place,)),
    )
