"""The likelihood of a chain of tags is divided by the length of the sentence, and one document of a batch holds no
words (IndicoDataSolutions/finetune pull request 307).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Chain(nn.Module):
    def __init__(self, tags: int, least: float) -> None:
        super().__init__()
        self.moves = nn.Parameter(0.1 * torch.randn(tags, tags))
        self.least = least

    def forward(self, scores: Tensor, tags: Tensor, length: Tensor) -> Tensor:
        real = torch.arange(scores.shape[1]) < length[:, None]
        picked = scores.gather(2, tags[..., None])[..., 0] * real
        moved = self.moves[tags[:, :-1], tags[:, 1:]] * real[:, 1:]
        alpha = scores[:, 0]
        for i in range(1, scores.shape[1]):
            step = (alpha[:, :, None] + self.moves).logsumexp(1) + scores[:, i]
            alpha = torch.where(real[:, i : i + 1], step, alpha)
        total = torch.where(length > 0, alpha.logsumexp(1), torch.zeros(len(length)))
        likelihood = picked.sum(1) + moved.sum(1) - total
        return -(likelihood / length.clamp(min=self.least)).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words, tags = knobs.randint(3, 13), 20, knobs.pick(3, 4)
    model = nn.ModuleDict(
        {"words": nn.Embedding(words, 8), "score": nn.Linear(8, tags), "chain": Chain(tags, 1.0 if repaired else 0.0)}
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.5)
    kind = torch.randint(tags, (words,))

    def train_step(batch: Any) -> Tensor:
        text, length = batch
        optimizer.zero_grad()
        loss = model["chain"](model["score"](model["words"](text)), kind[text], length)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        length = torch.randint(2, 8, (12,))
        if number == step:
            length[knobs.randint(0, 11)] = 0
        batches.append((torch.randint(words, (12, 7)), length))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("division-by-zero",), ("forward", "loss"), ("chain",), step)
    )
