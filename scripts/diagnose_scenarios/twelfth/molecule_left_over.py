"""The data set leaves one molecule for the last batch, and the norm over the batch refuses it; such a batch is
dropped since (chemprop/chemprop pull request 680).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Messages(nn.Module):
    def __init__(self, atoms: int, width: int) -> None:
        super().__init__()
        self.w_i = nn.Linear(atoms, width)
        self.w_h = nn.Linear(width, width)
        self.bn = nn.BatchNorm1d(width)
        self.ffn = nn.Linear(width, 1)

    def forward(self, atoms: Tensor, bonds: Tensor) -> Tensor:
        h = self.w_i(atoms).relu()
        h = (h + self.w_h(bonds @ h / atoms.shape[1])).relu()
        return self.ffn(self.bn(h.mean(1)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size = knobs.pick(16, 20)
    model = Messages(5, knobs.pick(12, 16))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        loss = (model(batch["atoms"], batch["bonds"]) - batch["energy"]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(5, 1)
    full = knobs.randint(8, 14)
    sizes = ([size] * full + [2 if repaired else 1]) * 3
    batches = []
    for count in sizes:
        atoms = torch.randn(count, 6, 5)
        bonds = (torch.rand(count, 6, 6) < 0.4).float()
        batches.append({"atoms": atoms, "bonds": bonds, "energy": 2 * atoms.mean(1) @ teacher})
    return Scenario(
        model, optimizer, batches, train_step, Expected(("batch-statistics",), ("forward",), ("bn",), full, "raises")
    )
