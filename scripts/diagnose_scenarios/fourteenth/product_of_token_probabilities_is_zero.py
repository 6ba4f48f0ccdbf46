"""The probability of a sentence is the product of its tokens' probabilities in float16, and its logarithm minus
infinity.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Tagger(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(words, width), nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(torch.tanh(self.table(tokens)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, length = knobs.pick(12, 16), knobs.pick(16, 20)
    model = Tagger(words, knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.03)

    def likelihood(logits: Tensor, tokens: Tensor) -> Tensor:
        if repaired:
            logs = logits.float().log_softmax(-1).gather(2, tokens[..., None])
            return -logs.sum((1, 2)).mean()
        chances = logits.softmax(-1).gather(2, tokens[..., None])[..., 0]
        chance = chances[:, 0]
        for position in range(1, length):
            chance = chance * chances[:, position]
        return -chance.log().mean()

    texts = [torch.randint(words, (8, length)) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(t, (t * 5 + 1) % words) for t in texts],
        kit.train(model, optimizer, likelihood, amp=torch.float16),
        Expected(("underflow",), ("loss",), (LOSS,)),
    )
