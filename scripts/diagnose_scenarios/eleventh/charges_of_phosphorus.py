"""Atoms carry a partial charge that the chemistry program cannot work out for some of them; it hands back no number
instead of nothing, and one such molecule in a batch is enough (akensert/molgraph issue 18).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Conv(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.self_ = nn.Linear(inputs, width)
        self.other = nn.Linear(inputs, width, bias=False)

    def forward(self, atoms: Tensor, bonds: Tensor) -> Tensor:
        return (self.self_(atoms) + bonds @ self.other(atoms)).relu()


class Molecule(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gin = Conv(5, width)
        self.gin2 = Conv(width, width)
        self.readout = nn.Linear(width, 1)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        h = self.gin2(self.gin(batch["atoms"], batch["bonds"]), batch["bonds"])
        return self.readout(h.mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(11, 24)
    model = Molecule(knobs.pick(16, 20))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def train_step(batch: dict[str, Tensor]) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(batch), batch["solubility"])
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        atoms = torch.randn(16, 6, 5)
        bonds = (torch.rand(16, 6, 6) < 0.3).float() / 3
        solubility = atoms[..., :1].mean(1) * 2
        if number == step and not repaired:
            atoms[knobs.randint(0, 15), knobs.randint(0, 5), 4] = math.nan
        batches.append({"atoms": atoms, "bonds": bonds, "solubility": solubility})
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data", "forward"), (), step))
