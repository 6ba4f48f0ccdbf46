"""A convolutional tagger of word types under momentum and a rate that was never lowered for a short run
(openai/deeptype issue 41).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Tagger(nn.Module):
    def __init__(self, words: int, width: int, tags: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.conv1 = nn.Conv1d(width, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1)
        self.out = nn.Conv1d(width, tags, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.emb(tokens).transpose(1, 2)
        return self.out(self.conv2(self.conv1(x).relu()).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, tags = 30, 4
    model = Tagger(words, knobs.pick(12, 16), tags)
    optimizer = kit.sgd(model, lr=0.1 if repaired else knobs.pick(10.0, 15.0), momentum=0.9, nesterov=True)
    kind = torch.randint(tags, (words,))
    batches = [(tokens, kind[tokens]) for tokens in (torch.randint(words, (16, 10)) for _ in range(60))]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("learning-rate",), (), (), None, "diverges"),
    )
