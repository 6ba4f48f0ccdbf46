"""A reward model is loaded in float16 and trained by Adam with its usual eps, which float16 rounds to zero; words that
are not in the batch have no gradient and are divided by nothing (CambioML/pykoi pull request 69).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Reward(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.mix = nn.Linear(width, width)
        self.v_head = nn.Linear(width, 1)

    def forward(self, text: Tensor) -> Tensor:
        return self.v_head(self.mix(self.embed(text)).tanh().mean(1))[:, 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(40, 60)
    model = Reward(words, 12).half()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, eps=1e-4 if repaired else 1e-8, foreach=False)

    def train_step(batch: Any) -> Tensor:
        better, worse = batch
        optimizer.zero_grad()
        loss = -nn.functional.logsigmoid(model(better).float() - model(worse).float()).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        pair = torch.randint(20, (2, 16, 5))
        swap = (pair[0] < 10).sum(1) < (pair[1] < 10).sum(1)
        better = torch.where(swap[:, None], pair[1], pair[0])
        worse = torch.where(swap[:, None], pair[0], pair[1])
        batches.append((better, worse))
    return Scenario(model, optimizer, batches, train_step, Expected(("optimizer-eps",), ("optimizer",), ("embed",), 0))
