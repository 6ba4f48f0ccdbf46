"""The features of every recording are divided by their deviation when they are loaded; a recording of nothing but
zeros becomes NaN (as in SeanNaren/deepspeech.pytorch issue 272).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Listener(nn.Module):
    def __init__(self, bands: int, width: int, letters: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(bands, width, 3, padding=1)
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.fc = nn.Linear(width, letters)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(self.conv(x).relu().transpose(1, 2))[0]).log_softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, letters = knobs.step(), 5
    model = Listener(6, knobs.pick(12, 16), letters)
    optimizer = kit.adam(model, lr=0.01)
    sounds = torch.randn(letters, 6)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        full = torch.full((len(y),), p.shape[1]), torch.full((len(y),), y.shape[1])
        return nn.functional.ctc_loss(p.transpose(0, 1), y, *full, zero_infinity=True)

    batches = []
    for number in range(50):
        y = torch.randint(1, letters, (8, 3))
        x = (sounds[y].repeat_interleave(3, 1) + 0.3 * torch.randn(8, 9, 6)).transpose(1, 2)
        if number == step and not repaired:
            x[5] = 0.0
        batches.append(((x - x.mean((1, 2), keepdim=True)) / x.std((1, 2), keepdim=True), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-data",), ("data",), (), step),
    )
