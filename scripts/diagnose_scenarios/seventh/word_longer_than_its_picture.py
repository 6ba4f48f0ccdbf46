"""A picture of a word is pooled to fewer columns than its label has letters: no alignment, an infinite CTC loss (as
in ypwhs/captcha_break issue 29).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, width: int, letters: int) -> None:
        super().__init__()
        self.cnn = nn.Conv2d(1, width, 3, padding=1)
        self.fc = nn.Linear(width * 4, letters)

    def forward(self, x: Tensor) -> Tensor:
        pooled = nn.functional.max_pool2d(self.cnn(x).relu(), 2)
        return self.fc(pooled.flatten(1, 2).transpose(1, 2)).log_softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, letters = knobs.step(), 5
    model = Reader(knobs.pick(6, 8), letters)
    optimizer = kit.adam(model, lr=0.01)
    shapes = torch.randn(letters, 8)

    def criterion(p: Tensor, y: Any) -> Tensor:
        words, lengths = y
        columns = torch.full((len(words),), p.shape[1])
        return nn.functional.ctc_loss(p.transpose(0, 1), words, columns, lengths)

    batches: list[Any] = []
    for number in range(60):
        words = torch.randint(1, letters, (8, 9))
        lengths = torch.full((8,), 3)
        x = shapes[words[:, :3].repeat_interleave(4, 1)].transpose(1, 2)[:, None] + 0.2 * torch.randn(8, 1, 8, 12)
        if number == step and not repaired:
            lengths[4] = 9
        batches.append((x, (words, lengths)))
    # the label is too long for the picture, the picture too narrow for the label
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels", "bad-data"), ("data", "loss"), (LOSS,), step),
    )
