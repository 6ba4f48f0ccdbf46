"""A recurrent net with a projection is trained on long sequences; its gradients grow with the length and nobody clips
them (as in Marcovaldong/lstmp.pytorch issue 2, solved by clipping at norm 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Projected(nn.Module):
    """A recurrence with a linear projection in its loop."""

    def __init__(self, inputs: int, width: int, projected: int) -> None:
        super().__init__()
        self.cell = nn.Linear(inputs + projected, width)
        self.project = nn.Linear(width, projected, bias=False)
        self.projected = projected

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), self.projected)
        for t in range(x.shape[1]):
            h = self.project(self.cell(torch.cat([x[:, t], h], 1)).relu())
        return h


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length = knobs.pick(40, 48)
    model = kit.named(rnn=Projected(3, 24, 12), out=nn.Linear(12, 1))
    with torch.no_grad():
        both = torch.cat([torch.eye(12), -torch.eye(12)])
        model.rnn.cell.weight[:, 3:].copy_(both)
        model.rnn.project.weight.copy_(0.52 * both.t() * 2)
    optimizer = kit.sgd(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        [(x, 3 + y) for x, y in kit.sequences(60, 16, length, 3)],
        kit.train(model, optimizer, kit.squares, clip=1.0 if repaired else None),
        Expected(("exploding-gradients",), (), (), None),
    )
