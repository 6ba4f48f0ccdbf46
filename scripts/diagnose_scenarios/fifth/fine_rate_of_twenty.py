"""A word language model by plain gradient descent with a learning rate of 20, as in torch's own example; gradients are
clipped to a norm of 0.25 (the setting of pytorch/pytorch issue 92615).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class RNNModel(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.encoder = nn.Embedding(words, width)
        self.rnn = nn.LSTM(width, width, batch_first=True)
        self.decoder = nn.Linear(width, words)
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)

    def forward(self, text: Tensor, hidden: Any) -> tuple[Tensor, Any]:
        output, hidden = self.rnn(self.encoder(text), hidden)
        return self.decoder(output), hidden


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(12, 16)
    model = RNNModel(words, 16)
    optimizer = kit.sgd(model, lr=20.0)

    def train_step(batch: Any) -> Tensor:
        text, target = batch
        model.zero_grad()
        output, _ = model(text, None)
        loss = nn.functional.cross_entropy(output.flatten(0, 1), target.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        return loss

    follow = torch.randperm(words)
    batches = []
    for _ in range(120):
        words_so_far = [torch.randint(words, (12,))]
        for _ in range(10):
            jump = torch.randint(words, (12,))
            words_so_far.append(torch.where(torch.rand(12) < 0.9, follow[words_so_far[-1]], jump))
        ids = torch.stack(words_so_far, 1)
        batches.append((ids[:, :-1], ids[:, 1:]))
    return Scenario(model, optimizer, batches, train_step)
