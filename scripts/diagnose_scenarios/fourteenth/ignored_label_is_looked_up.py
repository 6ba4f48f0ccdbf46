"""The label -100 marks tokens to leave out, but a loss by hand looks it up all the same: torch raises."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Tagger(nn.Module):
    def __init__(self, words: int, tags: int) -> None:
        super().__init__()
        self.words, self.tag = nn.Embedding(words, 10), nn.Linear(10, tags)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.tag(self.words(tokens))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, tags, step = knobs.pick(20, 30), knobs.pick(3, 5), knobs.step()
    model = Tagger(words, tags)
    optimizer = kit.adam(model, lr=0.03)

    def by_hand(logits: Tensor, wanted: Tensor) -> Tensor:
        kept = wanted >= 0
        logs = logits.log_softmax(-1)
        if repaired:
            return -logs[kept].gather(1, wanted[kept][:, None]).mean()
        return -logs.gather(2, wanted[..., None]).mean()

    texts = [torch.randint(words, (8, 6)) for _ in range(60)]
    batches = [(t, t % tags) for t in texts]
    batches[step][1][2, 3:] = -100
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, by_hand),
        Expected(("bad-labels",), ("loss",), (LOSS,), step, "raises"),
    )
