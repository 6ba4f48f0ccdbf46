"""A light gated unit with rectified candidates reads utterances in order of their length; in the long ones its state
grows past float32 (mravanelli/pytorch-kaldi issue 154).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class LiGru(nn.Module):
    def __init__(self, inputs: int, hidden: int, bounded: bool) -> None:
        super().__init__()
        self.wh, self.wz = nn.Linear(inputs, hidden), nn.Linear(inputs, hidden)
        self.uh, self.uz = nn.Linear(hidden, hidden, bias=False), nn.Linear(hidden, hidden, bias=False)
        nn.init.normal_(self.uh.weight, std=3 / hidden**0.5)
        nn.init.zeros_(self.uz.weight)
        self.bounded = bounded

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(len(x), self.uh.in_features)
        for frame in x.unbind(1):
            z = (self.wz(frame) + self.uz(h.clamp(-1, 1))).sigmoid()
            candidate = self.wh(frame) + self.uh(h)
            h = z * h + (1 - z) * (candidate.tanh() if self.bounded else candidate.relu())
        return h


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, later = knobs.pick(16, 20), knobs.randint(20, 24)
    model = kit.named(ligru=LiGru(5, width, repaired), norm=nn.LayerNorm(width), fc=nn.Linear(width, 3))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.002, alpha=0.95)
    phones = torch.randn(3, 5)
    batches = []
    for number in range(later + 3):
        y = torch.randint(3, (8,))
        frames = 400 if number >= later else 5
        batches.append((phones[y][:, None] + 0.3 * torch.randn(8, frames, 5), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, clip=0.1),
        Expected(("exploding-gradients",), ("forward",), ("ligru", "ligru.uh"), later),
    )
