"""Every branch of a deep net is multiplied by a weight that ought to start at zero, in front of an embedding drawn for
another model; from the start it was given the gradients are no numbers (majumderb/rezero issue 8).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Branch(nn.Module):
    def __init__(self, width: int, alpha: float) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.alpha = nn.Parameter(torch.tensor(alpha))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.alpha * self.down(self.up(x).relu())


class Deep(nn.Module):
    def __init__(self, words: int, width: int, depth: int, alpha: float) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.branches = nn.ModuleList(Branch(width, alpha) for _ in range(depth))
        self.out = nn.Linear(width, words)
        for branch in self.branches:
            nn.init.kaiming_normal_(branch.up.weight)
            nn.init.kaiming_normal_(branch.down.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.emb(x)
        for branch in self.branches:
            h = branch(h)
        return self.out(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, depth = 12, knobs.pick(56, 64)
    model = Deep(words, 10, depth, 0.0 if repaired else knobs.pick(2.5, 3.0))
    optimizer = kit.sgd(model, lr=0.02)
    follows = torch.randperm(words)

    def train_step(text: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(text), follows[text])
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        [torch.randint(words, (24,)) for _ in range(50)],
        train_step,
        Expected(("initialisation",), (), (), None),
    )
