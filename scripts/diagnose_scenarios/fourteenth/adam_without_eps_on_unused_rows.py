"""AdamW is given an eps of 0: rows of an embedding that no text uses have a gradient of 0, and 0 / 0 moves them."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Bag(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.words, self.head = nn.EmbeddingBag(words, width), nn.Linear(width, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.words(tokens))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(60, 90)
    model = Bag(words, knobs.pick(6, 8))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, eps=1e-8 if repaired else 0.0)
    texts = [torch.randint(words - 10, (12, 5)) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(t, (t[:, 0] % 2 + t[:, 1] % 2 > 0).long()) for t in texts],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",), ("<optimizer>", "words")),
    )
