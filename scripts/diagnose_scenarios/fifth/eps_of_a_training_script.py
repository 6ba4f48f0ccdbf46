"""A training script's own default for Adam's eps is 1.0, far above the roots of the squared gradients: the weights
hardly move (tensorflow/models issue 779, mlpnlp/mlpnlp-nmt pull request 4).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, 3)

    def forward(self, text: Tensor) -> Tensor:
        return self.out(self.gru(self.embed(text))[0].mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(12, 15)
    model = Encoder(words, knobs.pick(16, 20))
    optimizer = kit.adam(model, lr=0.003, eps=1e-8 if repaired else 1.0)
    batches = []
    for _ in range(80):
        y = torch.randint(3, (24,))
        text = torch.randint(words, (24, 8))
        text[:, ::2] = y[:, None] * (words // 3) + torch.randint(words // 3, (24, 4))
        batches.append((text, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, clip=5.0),
        Expected(("optimizer-eps",), (), (), None, "stalls"),
    )
