"""A reward model loaded in float16 is trained on pairs with an eps that rounds to zero (as in CambioML/pykoi pull
request 69).
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
        self.dense = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.score(self.dense(self.embed(tokens)).relu().amax(1)).squeeze(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(20, 30)
    model = Reward(words, 16).half()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005, eps=1e-5 if repaired else knobs.pick(1e-8, 2e-8))

    def train_step(batch: Any) -> Tensor:
        chosen, rejected = batch
        margin = model(chosen).float() - model(rejected).float()
        loss = -nn.functional.logsigmoid(margin).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        batches.append((torch.randint(words // 2, (16, 6)), torch.randint(words // 2, words, (16, 6))))
    return Scenario(model, optimizer, batches, train_step, Expected(("optimizer-eps",), ("optimizer",), (), 0))
