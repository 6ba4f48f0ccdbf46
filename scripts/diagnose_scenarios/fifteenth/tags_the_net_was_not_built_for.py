"""A data set of one's own holds more tags than the tagger was built for, and the field over the tags is asked for one
that it does not have (LiyuanLucasLiu/LM-LSTM-CRF issue 27).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Tagger(nn.Module):
    def __init__(self, words: int, width: int, tags: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.emit = nn.Linear(width, tags)
        self.move = nn.Parameter(torch.zeros(tags, tags))

    def forward(self, text: Tensor) -> Tensor:
        return self.emit(self.lstm(self.words(text))[0])


def field(model: Tagger, emitted: Tensor, tags: Tensor) -> Tensor:
    """Minus the log-likelihood of the tags."""
    alpha = emitted[:, 0]
    for t in range(1, emitted.shape[1]):
        alpha = (alpha[:, :, None] + model.move).logsumexp(1) + emitted[:, t]
    pairs = tags[:, :-1] * model.move.shape[1] + tags[:, 1:]
    told = emitted.gather(2, tags[..., None]).sum((1, 2)) + model.move.flatten()[pairs].sum(1)
    return (alpha.logsumexp(1) - told).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, tags, step = 20, knobs.pick(4, 5), knobs.randint(3, 18)
    model = Tagger(words, 12, tags)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        model.zero_grad()
        loss = field(model, model(batch[0]), batch[1])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss

    tag_of = torch.randint(tags, (words,))
    batches = []
    for number in range(35):
        text = torch.randint(words, (12, 6))
        tag = tag_of[text]
        if number == step and not repaired:
            tag[2, 3] = tags + knobs.randint(0, 3)
        batches.append((text, tag))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("bad-labels",), ("loss",), (LOSS,), step, "raises")
    )
