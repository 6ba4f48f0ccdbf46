"""The tutorial's character RNN, whose hidden layer is linear, on a larger data set with long texts and without clipping
(pytorch/pytorch issue 2623).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class RNN(nn.Module):
    def __init__(self, letters: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.i2h = nn.Linear(letters + hidden, hidden)
        self.h2o = nn.Linear(hidden, classes)

    def forward(self, line: Tensor) -> Tensor:
        hidden = line.new_zeros(line.shape[1], self.hidden)
        for letter in line:
            hidden = self.i2h(torch.cat([letter, hidden], 1))
        return self.h2o(hidden).log_softmax(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    letters, long = 10, knobs.pick(110, 120)
    rnn = RNN(letters, knobs.pick(24, 32), 3)
    with torch.no_grad():
        rnn.i2h.weight[:, letters:] = 0.9 * torch.eye(rnn.hidden) + 0.01 * torch.randn(rnn.hidden, rnn.hidden)
    optimizer = kit.sgd(rnn, lr=0.05)
    criterion = nn.NLLLoss()
    favourite = torch.randint(letters, (3,))

    def train_step(batch: Any) -> Tensor:
        line, category = batch
        loss = criterion(rnn(line), category)
        optimizer.zero_grad()
        loss.backward()
        if repaired:
            nn.utils.clip_grad_norm_(rnn.parameters(), 0.1)
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        category = torch.randint(3, (16,))
        length = long if number % 4 == 3 else knobs.randint(5, 9)
        text = torch.randint(letters, (length, 16))
        often = torch.rand(length, 16) < 0.5
        text = torch.where(often, favourite[category], text)
        batches.append((nn.functional.one_hot(text, letters).float(), category))
    return Scenario(rnn, optimizer, batches, train_step, Expected(("exploding-gradients",), (), (), None))
