"""The negative log-likelihood of a tagger's path is written as minus log of exp(path - all paths); for a long sentence
that probability is 0 in float32 (allanj/pytorch_neural_crf issue 4).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Tagger(nn.Module):
    def __init__(self, words: int, width: int, tags: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.emit = nn.Linear(width, tags)
        self.moves = nn.Parameter(torch.zeros(tags, tags))

    def forward(self, text: Tensor, tags: Tensor) -> tuple[Tensor, Tensor]:
        emitted = self.emit(self.embed(text))
        path = emitted.gather(2, tags[..., None]).sum((1, 2)) + self.moves[tags[:, :-1], tags[:, 1:]].sum(1)
        alpha = emitted[:, 0]
        for now in emitted[:, 1:].unbind(1):
            alpha = torch.logsumexp(alpha[:, :, None] + self.moves, 1) + now
        return path, torch.logsumexp(alpha, -1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, tags, words = knobs.step(), knobs.pick(5, 6), 20
    model = Tagger(words, 12, tags)
    optimizer = kit.sgd(model, lr=0.02)
    tag_of = torch.randint(tags, (words,))

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        path, every = model(*batch)
        loss = ((every - path) if repaired else -torch.log(torch.exp(path - every))).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        text = torch.randint(words, (8, 160 if number == step else 8))
        batches.append((text, tag_of[text]))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("underflow",), ("loss",), (LOSS,), step),
        learns=True,
    )
