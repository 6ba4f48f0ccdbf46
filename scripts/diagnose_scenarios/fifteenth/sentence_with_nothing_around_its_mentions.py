"""An attention over the words around two mentions masks the mentions themselves; in a new data set some sentences
consist of nothing else (fenchri/edge-oriented-graph issue 21).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Context(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, words: Tensor, hidden: Tensor) -> Tensor:
        weight = self.score(words.tanh())[..., 0].masked_fill(hidden, -math.inf)
        return (weight.softmax(1)[..., None] * words).sum(1)


class Relations(nn.Module):
    def __init__(self, words: int, width: int, kinds: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.around = Context(width)
        self.kind = nn.Linear(2 * width, kinds)

    def forward(self, text: Tensor, mention: Tensor, end: Tensor) -> Tensor:
        h = self.rnn(self.words(text))[0]
        named = (h * mention[..., None]).sum(1) / mention.sum(1, keepdim=True)
        return self.kind(torch.cat([named, self.around(h, mention | end)], 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds, length, step = 3, knobs.pick(6, 8), knobs.randint(6, 20)
    model = Relations(15, 12, kinds)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        text, mention, end, kind = (batch[name] for name in ("text", "mention", "end", "kind"))
        if repaired:
            kept = (~mention & ~end).any(1)
            text, mention, end, kind = text[kept], mention[kept], end[kept], kind[kept]
        loss = kit.cross_entropy(model(text, mention, end), kind)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(45):
        text = torch.randint(15, (20, length))
        mention = torch.zeros(20, length, dtype=torch.bool)
        mention[:, 0] = mention[:, 2] = True
        end = torch.arange(length) >= torch.randint(4, length + 1, (20, 1))
        if number == step:
            row = knobs.randint(0, 19)
            mention[row, :3], end[row, 3:] = True, True
        batches.append({"text": text, "mention": mention, "end": end, "kind": text[:, 0] % kinds})
    return Scenario(
        model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("around",), step)
    )
