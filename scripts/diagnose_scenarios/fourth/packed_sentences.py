"""Sentences of unequal length come as a packed sequence; one number of one word vector is not a number."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, width)
        self.head = nn.Linear(width, 1)

    def forward(self, sentences: nn.utils.rnn.PackedSequence) -> Tensor:
        return self.head(self.gru(sentences)[1][-1])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(8, 12), knobs.step()
    model = Net(6, width)
    optimizer = kit.adam(model, lr=0.02)
    teacher = torch.randn(6, 1) / 2
    batches = []
    for number in range(40):
        words = [torch.randn(6) + 0.3 * torch.randn(knobs.randint(2, 7), 6) for _ in range(16)]
        target = torch.stack([each.mean(0) for each in words]) @ teacher
        if number == step and not repaired:
            words[3][1, 2] = math.nan
        batches.append((nn.utils.rnn.pack_sequence(words, enforce_sorted=False), target))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=1.0),
        Expected(("bad-data",), ("data",), (), step),
    )
