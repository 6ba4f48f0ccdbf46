"""The attention vectors of a graph net are allocated and never filled; what lies in memory is NaN (as in
gordicaleksa/pytorch-GAT issue 11).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def raw(*shape: int) -> Tensor:
    """An allocation, as it comes where other numbers lay before."""
    return torch.frombuffer(bytearray(b"\xff\xff\xff\x7f" * math.prod(shape)), dtype=torch.float32).view(*shape).clone()


class GAT(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, width)
        self.scoring_source = nn.Parameter(raw(width))
        self.scoring_target = nn.Parameter(raw(width))

    def forward(self, x: Tensor) -> Tensor:
        h = self.proj(x)
        score = nn.functional.leaky_relu((h @ self.scoring_source)[:, None] + h @ self.scoring_target, 0.2)
        return h + score.softmax(-1) @ h


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(gat=GAT(5, width), act=nn.ELU(), head=nn.Linear(width, 3))
    if repaired:
        nn.init.normal_(model.gat.scoring_source, std=0.3)
        nn.init.normal_(model.gat.scoring_target, std=0.3)
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 20, 5, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), ("forward",), ("gat",), 0),
    )
