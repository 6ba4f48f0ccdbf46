"""A pointer-generator mixes two softmaxes and takes the logarithm: a rare word that the source does not hold has a
probability of 0 in float16 (pytorch/pytorch issue 1620).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class PointerGenerator(nn.Module):
    def __init__(self, words: int, width: int, rare: float) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.look = nn.Linear(width, width)
        self.vocab = nn.Linear(2 * width, words)
        self.switch = nn.Linear(2 * width, 1)
        with torch.no_grad():
            self.vocab.bias[-1] = rare

    def forward(self, source: Tensor, previous: Tensor) -> Tensor:
        """Probabilities [batch, words]."""
        keys, query = self.emb(source), self.look(self.emb(previous))
        shares = torch.bmm(keys, query[..., None])[..., 0].softmax(-1)
        state = torch.cat([query, torch.bmm(shares[:, None], keys)[:, 0]], 1)
        write = self.switch(state).sigmoid()
        written = self.vocab(state).softmax(-1)
        copied = torch.zeros_like(written).scatter_add(1, source, shares.to(written.dtype))
        return write * written + (1 - write) * copied


def build(seed: int, repaired: bool = False) -> Scenario:
    """The last word's bias begins at the logarithm of its share in a corpus, one in a billion."""
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(12, 14)
    model = PointerGenerator(words, 12, -20.7)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        source, previous, target = batch
        optimizer.zero_grad()
        with kit.autocast(None if repaired else torch.float16):
            share = model(source, previous)
            loss = -share.gather(1, target[:, None]).log().float().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        source = torch.randint(words - 1, (32, 6))
        target = source[:, 0].clone()
        if number == step:
            target[5] = words - 1
        batches.append((source, (source[:, 0] + 1) % (words - 1), target))
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
