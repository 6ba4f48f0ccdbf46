"""A line of text is learnt from the counts of its letters: the probabilities of every letter are averaged over the line
and their logarithm is taken, and of a letter that is nowhere nothing is left (summerlvsong/Aggregation-Cross-Entropy
issue 2).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, letters: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, width, 3, padding=1)
        self.out = nn.Linear(width, letters)

    def forward(self, line: Tensor) -> Tensor:
        return self.out(self.conv(line).relu().movedim(1, 2)).softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    letters, length, step = 5, knobs.pick(8, 10), knobs.randint(13, 29)
    model = Reader(letters, knobs.pick(12, 16))
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    least = 1e-10 if repaired else 0.0

    def train_step(batch: Any) -> Tensor:
        line, counts = batch
        share = model(line).mean(1)
        truth = counts / length
        loss = (torch.xlogy(truth, truth) - truth * (share + least).log()).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    strokes = 2 * torch.randn(letters, 4)
    batches = []
    for number in range(50):
        text = torch.randint(letters, (16, length))
        line = strokes[text].movedim(-1, 1) + 0.2 * torch.randn(16, 4, length)
        counts = nn.functional.one_hot(text, letters).sum(1).float()
        if number == step:
            # One letter in a very thick pen, all along the line, and a label that also knows another letter.
            line[0] = knobs.pick(400.0, 600.0) * strokes[0][:, None]
            counts[0] = torch.tensor([length - 4.0, 1.0, 1.0, 1.0, 1.0])
        batches.append((line, counts))
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
