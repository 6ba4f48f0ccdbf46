"""Padding is hidden with the lowest finite number: an empty text looks at all its words alike, and its result is
multiplied by 0.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Pool(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, text: tuple[Tensor, Tensor]) -> Tensor:
        x, real = text
        scores = self.score(x)[..., 0].masked_fill(~real, torch.finfo(x.dtype).min)
        return (scores.softmax(-1)[..., None] * x).sum(1) * real.any(1, keepdim=True)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length = knobs.pick(8, 12), knobs.pick(5, 6)
    model = kit.named(pool=Pool(width), head=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.03)
    batches = []
    for x, _ in kit.sequences(60, 16, length, width):
        real = torch.arange(length) < torch.randint(0, length + 1, (16, 1))
        real[0], real[1] = False, True
        mean = (x * real[..., None]).mean(1)
        batches.append(((x, real), mean @ torch.ones(width, 1)))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
