"""Frame losses weighted by how near an onset is and divided by the sum of the weights; one recording has no onset
(york135/CTC_CE_for_AST issue 3).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Transcriber(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(5, hidden, batch_first=True, bidirectional=True)
        self.onset = nn.Linear(2 * hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.onset(self.rnn(x)[0]).squeeze(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, hidden = knobs.step(), knobs.pick(8, 12)
    model = Transcriber(hidden)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    bce = nn.BCEWithLogitsLoss(reduction="none")

    def train_step(batch: Any) -> Tensor:
        frames, onset, weight = batch
        logits = model(frames)
        losses = bce(logits, onset).flatten()
        total = weight.sum() + 1e-8 if repaired else weight.sum()
        loss = torch.dot(losses, weight.flatten()) / total
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(70):
        x = torch.randn(4, 20, 5)
        loud = x[..., 0] > (1e9 if number == step else 0.8)
        near = nn.functional.max_pool1d(loud.float()[:, None], 3, 1, 1)[:, 0]
        batches.append((x, loud.float(), near))
    expected = Expected(("division-by-zero",), ("loss",), (LOSS,), step)
    return Scenario(model, optimizer, batches, train_step, expected)
