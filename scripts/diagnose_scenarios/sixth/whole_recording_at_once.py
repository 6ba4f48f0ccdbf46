"""A recurrent net is trained on whole recordings: its state is bounded, but the gradient through all frames grows
beyond float32; shorter pieces were the cure (chentuochao/Sound_Bubble issue 4, Marcovaldong/lstmp.pytorch issue 2).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cell(nn.Module):
    def __init__(self, inputs: int, hidden: int, piece: int | None) -> None:
        super().__init__()
        self.w = nn.Linear(inputs, hidden)
        self.u = nn.Linear(hidden, hidden, bias=False)
        nn.init.normal_(self.u.weight, std=10 / hidden**0.5)
        self.piece = piece

    def forward(self, frames: Tensor) -> Tensor:
        h = torch.zeros(len(frames), self.u.in_features)
        for number, frame in enumerate(frames.unbind(1)):
            if self.piece and number % self.piece == 0:
                h = h.detach()
            h = (self.w(frame) + self.u(h)).tanh()
        return h


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, frames, later = knobs.pick(32, 36), 400, knobs.randint(9, 13)
    model = kit.named(cell=Cell(4, width, 2 if repaired else None), head=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.05)
    batches = []
    for number in range(later + 18):
        x = torch.randn(16, frames if number == later else 2, 4)
        x[:, -1] *= 15
        batches.append((x, x[:, -1, :2].mean(1, keepdim=True) / 6))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=1.0),
        Expected(("exploding-gradients",), ("backward",), ("cell", "cell.u", "cell.w"), later),
    )
