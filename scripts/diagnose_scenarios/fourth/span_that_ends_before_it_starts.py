"""Answers are spans of words; one label's end lies before its start, and the mean goes over no word."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length = knobs.step(), knobs.pick(10, 12)
    model = kit.named(inp=nn.Linear(6, 16), act=nn.Tanh(), score=nn.Linear(16, 1), flat=nn.Flatten(1))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(40):
        x, spans = torch.randn(8, length, 6), []
        for row in range(8):
            start = knobs.randint(2, length - 4)
            end = start + knobs.randint(1, 3)
            x[row, start:end, 0] += 4
            spans.append((start, end))
        if number == step and not repaired:
            start, end = spans[5]
            spans[5] = (end, start)
        batches.append((x, torch.tensor(spans)))

    def loss_of(scores: Tensor, spans: Tensor) -> Tensor:
        shares = scores.log_softmax(-1)
        parts = [row[start:end].mean() for row, (start, end) in zip(shares, spans.tolist(), strict=True)]
        return -torch.stack(parts).mean()

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, loss_of),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
