"""The embedding table is given a weight decay of 25 as its own group; the rest of the net is decayed as usual."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.words(x).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(20, 24)
    model = Net(words, knobs.pick(8, 12))
    groups = [
        {"params": model.words.parameters(), "weight_decay": 0.0 if repaired else knobs.pick(25.0, 30.0)},
        {"params": model.head.parameters()},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.2, weight_decay=1e-4)
    worth = torch.randn(words)
    xs = [torch.randint(words, (32, 4)) for _ in range(120)]
    return Scenario(
        model,
        optimizer,
        [(x, worth[x].mean(1, keepdim=True)) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None),
    )
