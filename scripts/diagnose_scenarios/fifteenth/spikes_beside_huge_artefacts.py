"""A net that sorts spikes of nerve cells fails to train on trivial recordings; it is linked to the scale of the data,
some of which have ridiculously high values (sg-s/crabsort issue 69).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sort(nn.Module):
    def __init__(self, width: int, kinds: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, width, 5, padding=2)
        self.dense = nn.Linear(width * 12, 24)
        self.kind = nn.Linear(24, kinds)

    def forward(self, shape: Tensor) -> Tensor:
        h = self.conv(shape).sigmoid().flatten(1)
        return self.kind(self.dense(h).sigmoid())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds = 3
    model = Sort(6, kinds)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    unit = 1.0 if repaired else knobs.pick(3e4, 1e5)
    forms = torch.tensor([0.5, 1.0, 2.0])
    batches = []
    for _ in range(60):
        kind = torch.randint(kinds, (32,))
        form = forms[kind][:, None] * (0.3 + (-((torch.arange(12) - 5.0) ** 2) / 6).exp())
        batches.append((unit * (form * (1 + 0.02 * torch.randn(32, 12)))[:, None], kind))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("input-scale",), ("data", "forward"), (), 0, "stalls"),
    )
