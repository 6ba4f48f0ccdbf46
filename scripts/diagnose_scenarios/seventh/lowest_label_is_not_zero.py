"""Labels of a table of texts begin at -1 in one batch; the one-hot encoding refuses them (as in
EricFillion/happy-transformer issue 248).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class TextClassifier(nn.Module):
    def __init__(self, words: int, width: int, count: int) -> None:
        super().__init__()
        self.embed = nn.EmbeddingBag(words, width)
        self.classifier = nn.Linear(width, count)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.classifier(self.embed(tokens))


def smoothed(p: Tensor, y: Tensor) -> Tensor:
    wanted = nn.functional.one_hot(y, p.shape[1]) * 0.9 + 0.1 / p.shape[1]
    return -(wanted * p.log_softmax(-1)).sum(-1).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count, words = knobs.step(), 3, 30
    model = TextClassifier(words, knobs.pick(12, 16), count)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    batches = []
    for number in range(50):
        y = torch.randint(count, (16,))
        x = torch.randint(words // count, (16, 8)) + (words // count) * y[:, None]
        batches.append((x, y - 1 if number == step and not repaired else y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, smoothed),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step, "raises"),
    )
