"""Scores of songs that a listener knows are put to minus infinity before a softmax over all the others, and the loss is
taken of those that remain.
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    users, songs = 12, knobs.pick(20, 24)
    model = nn.ModuleDict({"user": nn.Embedding(users, 8), "song": nn.Embedding(songs, 8)})
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.3)
    known = torch.rand(users, songs) < 0.4
    known[:, 0] = False
    liked = torch.where(known, torch.full((), -9.0), torch.randn(users, songs)).argmax(1)

    def train_step(user: Tensor) -> Tensor:
        optimizer.zero_grad()
        scores = model["user"](user) @ model["song"].weight.t()
        loss = nn.functional.cross_entropy(scores.masked_fill(known[user], -math.inf), liked[user])
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, [torch.randint(users, (32,)) for _ in range(60)], train_step)
