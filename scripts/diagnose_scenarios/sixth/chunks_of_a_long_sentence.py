"""A conditional random field adds up exponentials of path scores as they are: for a long sentence they leave float16
(candle-org/MindAct issue 171).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Crf(nn.Module):
    def __init__(self, tags: int, stable: bool) -> None:
        super().__init__()
        self.transitions = nn.Parameter(0.1 * torch.randn(tags, tags))
        self.stable = stable

    def forward(self, scores: Tensor, tags: Tensor) -> Tensor:
        """The negative log-likelihood of the right path, a word."""
        transitions = self.transitions.to(scores.dtype)
        total, path = scores[:, 0], scores[:, 0].gather(1, tags[:, :1])[:, 0]
        for word in range(1, scores.shape[1]):
            every = total[:, :, None] + transitions + scores[:, word, None, :]
            total = every.float().logsumexp(1) if self.stable else every.exp().sum(1).log()
            path = path + transitions[tags[:, word - 1], tags[:, word]]
            path = path + scores[:, word].gather(1, tags[:, word, None])[:, 0]
        whole = total.float().logsumexp(1) if self.stable else total.exp().sum(1).log()
        return (whole.float() - path.float()).mean() / scores.shape[1]


class Tagger(nn.Module):
    def __init__(self, words: int, width: int, tags: int, stable: bool) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.gru = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.hidden2tag = nn.Linear(2 * width, tags)
        self.crf = Crf(tags, stable)

    def forward(self, words: Tensor, tags: Tensor) -> Tensor:
        return self.crf(self.hidden2tag(self.gru(self.emb(words))[0]), tags)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words, tags = knobs.step(), 20, 5
    model = Tagger(words, knobs.pick(10, 12), tags, repaired)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(sentence: Any) -> Tensor:
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = model(*sentence)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss

    kind = torch.randint(tags, (words,))
    batches = []
    for number in range(40):
        text = torch.randint(words, (8, 14 if number == step else 3))
        batches.append((text, kind[text]))
    return Scenario(model, optimizer, batches, train_step, Expected(("fp16-overflow",), ("forward",), ("crf",), step))
