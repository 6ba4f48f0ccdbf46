"""A translation model is run with a weight decay that, times its high rate, exceeds two (as in
facebookresearch/fairseq issue 79, where the decay made the gradient norm NaN).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Translator(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.encoder = nn.Conv1d(width, 2 * width, 3, padding=1)
        self.out = nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embed(tokens).transpose(1, 2)
        return self.out((h + nn.functional.glu(self.encoder(h), 1)).transpose(1, 2)).transpose(1, 2)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(10, 12)
    model = Translator(words, 12)
    decay = 0.0 if repaired else knobs.pick(16.0, 20.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25, momentum=0.9, nesterov=True, weight_decay=decay)
    batches = []
    for _ in range(60):
        source = torch.randint(words, (16, 6))
        batches.append((source, (source + 3) % words))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), (), (), None),
    )
