"""A text-conditioned denoiser is finetuned in pure float16 with Adam's own eps of 1e-8, which is zero there (as in
afiaka87/glide-finetune issue 5).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Glide(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.token = nn.Embedding(words, width)
        self.inp = nn.Linear(8, width)
        self.out = nn.Linear(width, 8)

    def forward(self, pair: Any) -> Tensor:
        x, word = pair
        return self.out((self.inp(x) + self.token(word)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = 12
    model = Glide(words, knobs.pick(16, 24)).half()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, eps=1e-4 if repaired else 1e-8)
    means = torch.randn(words, 8)
    batches = []
    for _ in range(80):
        word, noise = torch.randint(words, (16,)), torch.randn(16, 8)
        batches.append((((means[word] + 0.5 * noise).half(), word), means[word]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), (), 0),
    )
