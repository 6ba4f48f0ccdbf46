"""Text lines with CTC: a blank must stand between equal letters, so that a label with doubled letters no longer fits
into the picture's frames although its length does (SeanNaren/warp-ctc issue 29).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, height: int, width: int, letters: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(height, width, 1)
        self.rnn = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * width, letters + 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(self.conv(x).relu().transpose(1, 2))[0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, letters, frames = knobs.step(), 5, 5
    model = Reader(6, knobs.pick(12, 16), letters)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        logs = logits.log_softmax(-1).transpose(0, 1)
        many = len(labels)
        return nn.functional.ctc_loss(logs, labels, torch.full((many,), frames), torch.full((many,), labels.shape[1]))

    glyphs = torch.randn(letters + 1, 6)
    batches = []
    for number in range(50):
        labels = torch.stack([torch.randperm(letters)[:4] + 1 for _ in range(8)])
        if number == step and not repaired:
            labels[knobs.randint(0, 7)] = torch.tensor([2, 2, 2, 4])
        shown = torch.cat([labels, torch.zeros(8, 1, dtype=torch.long)], 1)
        batches.append((glyphs[shown].transpose(1, 2) + 0.1 * torch.randn(8, 6, frames), labels))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels",), ("loss", "data"), (LOSS,), step),
    )
