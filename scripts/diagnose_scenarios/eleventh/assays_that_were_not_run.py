"""Several assays are predicted at once from the graph of a molecule; where a molecule was not measured the target is no
number, and the loss takes it as one (OpenADMET/openadmet-models issue 242).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Gat(nn.Module):
    def __init__(self, inputs: int, width: int, assays: int) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, width, bias=False)
        self.att = nn.Linear(2 * width, 1)
        self.ffn = nn.Linear(width, assays)

    def forward(self, atoms: Tensor) -> Tensor:
        h = self.lin(atoms)
        many = h.shape[1]
        pair = torch.cat([h[:, :, None].expand(-1, -1, many, -1), h[:, None].expand(-1, many, -1, -1)], -1)
        weight = nn.functional.leaky_relu(self.att(pair)[..., 0], 0.2).softmax(-1)
        return self.ffn(nn.functional.elu(weight @ h).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    assays, step = knobs.pick(3, 4), knobs.randint(6, 20)
    model = Gat(5, knobs.pick(12, 16), assays)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def train_step(batch: Any) -> Tensor:
        atoms, measured = batch
        predicted = model(atoms)
        if repaired:
            known = ~measured.isnan()
            loss = (predicted[known] - measured[known]).square().mean()
        else:
            loss = nn.functional.mse_loss(predicted, measured)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(5, assays)
    batches = []
    for number in range(60):
        atoms = torch.randn(24, 5, 5)
        measured = atoms.mean(1) @ teacher
        if number >= step:
            measured[torch.rand(24, assays) < 0.15] = math.nan
            measured[0, 0] = math.nan
        batches.append((atoms, measured))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("bad-labels", "bad-data"), ("data", "loss"), (LOSS,), step)
    )
