"""The decay falls on the table of words as well; a rare word gets no gradient for many steps and is pulled to nought in
the meantime (pytorch/torchtitan issue 2599).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.tok = nn.Embedding(words, width)
        self.out = nn.Linear(width, 3)

    def forward(self, text: Tensor) -> Tensor:
        return self.out(self.tok(text).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(120, 160)
    model = Reader(words, 16)
    groups = [
        {"params": model.tok.parameters(), "weight_decay": 0.0 if repaired else knobs.pick(12.0, 16.0)},
        {"params": model.out.parameters(), "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.03)
    kind = torch.randint(3, (words,))
    batches = []
    for _ in range(70):
        text = torch.randint(words, (6, 1))
        batches.append((text, kind[text[:, 0]]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), ("optimizer",), ("tok", ""), None, "stalls"),
    )
