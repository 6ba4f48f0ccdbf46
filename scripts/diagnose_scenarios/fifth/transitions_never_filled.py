"""A conditional random field's transition scores are made with torch.Tensor(n, n) and hold whatever was in memory
(kmkurn/pytorch-crf issue 1).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def whatever_was_in_memory(*shape: int) -> Tensor:
    """What torch.Tensor(*shape) may hold; drawn here, so that a run can be repeated."""
    numbers = torch.full(shape, 1e-41)
    numbers.view(-1)[::4] = 2.7e38
    numbers.view(-1)[1::4] = -3.1e38
    return numbers


class CRF(nn.Module):
    def __init__(self, tags: int, filled: bool) -> None:
        super().__init__()
        self.transitions = nn.Parameter(whatever_was_in_memory(tags, tags))
        if filled:
            nn.init.uniform_(self.transitions, -0.1, 0.1)

    def forward(self, emissions: Tensor, tags: Tensor) -> Tensor:
        """Negative log-likelihood of the tags."""
        score = emissions.gather(2, tags[..., None]).sum((1, 2)) + self.transitions[tags[:, :-1], tags[:, 1:]].sum(1)
        alpha = emissions[:, 0]
        for emission in emissions[:, 1:].unbind(1):
            alpha = torch.logsumexp(alpha[:, :, None] + self.transitions, 1) + emission
        return (alpha.logsumexp(1) - score).mean()


class Tagger(nn.Module):
    def __init__(self, words: int, width: int, tags: int, filled: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.hidden2tag = nn.Linear(width, tags)
        self.crf = CRF(tags, filled)

    def forward(self, words: Tensor, tags: Tensor) -> Tensor:
        return self.crf(self.hidden2tag(self.lstm(self.embed(words))[0]), tags)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(12, 15)
    tagger = Tagger(words, knobs.pick(10, 12), 4, repaired)
    optimizer = kit.adam(tagger, lr=0.02)
    tag_of = torch.randint(4, (words,))

    def train_step(sentence: Any) -> Tensor:
        optimizer.zero_grad()
        loss = tagger(sentence, tag_of[sentence])
        loss.backward()
        optimizer.step()
        return loss

    batches = [torch.randint(words, (8, 6)) for _ in range(50)]
    return Scenario(tagger, optimizer, batches, train_step, Expected(("initialisation",), ("forward",), ("crf",)))
