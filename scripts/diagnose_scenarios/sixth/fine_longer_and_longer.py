"""Curriculum: texts grow from 3 words to 24 during the run, the task with them, and the loss takes steps upward
(mravanelli/pytorch-kaldi issue 154, with an ordinary recurrent cell).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Counter(nn.Module):
    def __init__(self, words: int, hidden: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.gru(self.emb(tokens))[0])[..., 0]


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = 6
    model = Counter(words, knobs.pick(16, 20))
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number in range(60):
        tokens = torch.randint(words, (16, 3 + 7 * (number // 15)))
        batches.append((tokens, (tokens == 2).float().cumsum(1)))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares, clip=1.0), learns=False)
