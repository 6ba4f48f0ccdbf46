"""Energies of a few hundred for each of many atoms are summed in float16; the largest molecule passes 65504."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Readout(nn.Module):
    def __init__(self, wide: bool) -> None:
        super().__init__()
        self.wide = wide

    def forward(self, energies: Tensor) -> Tensor:
        return (energies.float() if self.wide else energies).sum(1)


class Potential(nn.Module):
    def __init__(self, width: int, level: float, wide: bool) -> None:
        super().__init__()
        self.atom = nn.Linear(4, width)
        self.energy = nn.Linear(width, 1)
        self.readout = Readout(wide)
        with torch.no_grad():
            self.energy.bias.fill_(level)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.energy(torch.tanh(self.atom(x)))) / x.shape[1]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, level = knobs.step(), knobs.pick(250.0, 350.0)
    model = Potential(knobs.pick(12, 16), level, repaired)
    optimizer = kit.sgd(model, lr=0.02)
    batches = []
    for i in range(60):
        atoms = knobs.pick(300, 340) if i == step else knobs.randint(40, 90)
        x = torch.randn(4, atoms, 4)
        batches.append((x, level + 3 + x.mean(1)[:, :1]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("readout",), step),
    )
