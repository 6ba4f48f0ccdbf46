"""One salary in a table of job advertisements is missing, and the net that has to guess salaries from titles never
recovers from it (yandexdataschool/nlp_course issue 15).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Titles(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(words, width)
        self.hidden = nn.Linear(width, 32)
        self.salary = nn.Linear(32, 1)

    def forward(self, title: Tensor) -> Tensor:
        return self.salary(self.hidden(self.words(title)).relu())[:, 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, step = knobs.pick(40, 60), knobs.randint(5, 30)
    model = Titles(words, 16)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    worth = 3 * torch.randn(words)
    batches = []
    for number in range(60):
        title = torch.randint(words, (32, 5))
        logged = worth[title].mean(1) + 2.0
        if number == step and not repaired:
            logged[knobs.randint(0, 31)] = float("nan")
        batches.append((title, logged))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-labels", "bad-data"), ("data", "loss"), (LOSS,), step),
    )
