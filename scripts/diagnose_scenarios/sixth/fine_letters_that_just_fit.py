"""CTC with doubled letters in labels, and exactly as many frames as letters and the blanks between equal ones need
(SeanNaren/warp-ctc issue 29).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, height: int, width: int, letters: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(height, width, 1)
        self.rnn = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * width, letters + 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(self.conv(x).relu().transpose(1, 2))[0])


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    letters = 4
    model = Reader(6, knobs.pick(12, 16), letters)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        logs = logits.log_softmax(-1).transpose(0, 1)
        return nn.functional.ctc_loss(logs, labels, torch.full((8,), 5), torch.full((8,), 4))

    glyphs = torch.randn(letters + 1, 6)
    batches = []
    for _ in range(60):
        a, b, c = torch.rand(8, letters).argsort(1)[:, :3].add(1).unbind(1)
        labels = torch.stack([a, b, b, c], 1)
        shown = torch.stack([a, b, torch.zeros_like(b), b, c], 1)
        batches.append((glyphs[shown].transpose(1, 2) + 0.1 * torch.randn(8, 6, 5), labels))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion))
