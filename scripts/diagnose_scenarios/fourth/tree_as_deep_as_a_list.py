"""A net over parse trees adds up two children and transforms them at every node; one tree is a list, six hundred nodes
deep.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cell(nn.Module):
    def __init__(self, width: int, normed: bool) -> None:
        super().__init__()
        self.lin = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width) if normed else nn.Identity()

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        both = left + right
        return self.norm(both + self.lin(both))


class Tree(nn.Module):
    def __init__(self, width: int, normed: bool) -> None:
        super().__init__()
        self.cell = Cell(width, normed)
        self.out = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1)

    def forward(self, tree: tuple[Tensor, bool]) -> Tensor:
        leaves, is_list = tree
        if is_list:
            state = leaves[:, 0]
            for position in range(1, leaves.shape[1]):
                state = self.cell(state, leaves[:, position])
        else:
            while leaves.shape[1] > 1:
                leaves = self.cell(leaves[:, ::2], leaves[:, 1::2])
            state = leaves[:, 0]
        return self.head(self.out(state))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = Tree(width, repaired)
    optimizer = kit.adam(model, lr=0.005)
    batches = [((x, False), y) for x, y in kit.sequences(60, 16, 8, width)]
    deep = knobs.pick(600, 640)
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, ((torch.randn(16, deep, width), True), batches[step][1])),
        kit.train(model, optimizer, kit.squares),
        Expected(("exploding-gradients",), ("forward",), ("cell", "cell.lin"), step),
    )
