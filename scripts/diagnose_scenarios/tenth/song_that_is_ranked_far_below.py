"""Songs are ranked in pairs by the logarithm of a sigmoid; a pair that is ranked the wrong way round by a hundred has a
sigmoid of zero (xiangwang1223/neural_graph_collaborative_filtering issue 17).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Ranker(nn.Module):
    def __init__(self, users: int, songs: int, width: int) -> None:
        super().__init__()
        self.user, self.song = nn.Embedding(users, width), nn.Embedding(songs, width)
        self.links = nn.Buffer((torch.rand(users, songs) < 0.3).float())

    def forward(self) -> tuple[Tensor, Tensor]:
        user = self.user.weight + self.links @ self.song.weight / 3
        song = self.song.weight + self.links.t() @ self.user.weight / 3
        return user, song


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    users, songs = 12, knobs.pick(24, 30)
    model = Ranker(users, songs, 16)
    with torch.no_grad():
        model.song.weight.mul_(3.5)
    optimizer = kit.adam(model, lr=0.05)

    def train_step(batch: Any) -> Tensor:
        who, liked, other = batch
        optimizer.zero_grad()
        user, song = model()
        gap = (user[who] * song[liked]).sum(1) - (user[who] * song[other]).sum(1)
        loss = nn.functional.softplus(-gap).mean() if repaired else -torch.log(torch.sigmoid(gap)).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [
        (torch.randint(users, (64,)), torch.randint(songs // 2, (64,)), torch.randint(songs // 2, songs, (64,)))
        for _ in range(50)
    ]
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), 0))
