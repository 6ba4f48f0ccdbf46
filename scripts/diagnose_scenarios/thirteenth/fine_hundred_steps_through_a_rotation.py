"""A recurrence over a hundred steps whose matrix is a rotation: gradients neither grow nor fade."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Turn(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.into, self.turn = nn.Linear(2, width), nn.Linear(width, width, bias=False)
        nn.init.orthogonal_(self.turn.weight)
        self.turn.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), self.turn.in_features)
        for part in self.into(x).unbind(1):
            state = self.turn(state) + 0.1 * part
        return state


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = kit.named(turn=Turn(width), head=nn.Linear(width, 1))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)
    batches = [(x, 0.1 * x[:, -10:, 0].sum(1, keepdim=True)) for x, _ in kit.sequences(60, 16, 100, 2)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares, clip=1.0))
