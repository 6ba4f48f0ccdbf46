"""A decoder answers questions by looking at detected objects; where none was detected, every memory entry is padding
(pytorch/pytorch issue 40932).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Look(nn.Module):
    def __init__(self, width: int, fallback: bool) -> None:
        super().__init__()
        self.fallback = fallback
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor, memory: Tensor, padding: Tensor) -> Tensor:
        scores = self.query(x) @ self.key(memory).transpose(1, 2) / x.shape[-1] ** 0.5
        if self.fallback:
            padding = padding & ~padding.all(1, keepdim=True)
        return scores.masked_fill(padding[:, None], float("-inf")).softmax(-1) @ self.value(memory)


class Answerer(nn.Module):
    def __init__(self, words: int, width: int, outputs: int, fallback: bool) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.objects = nn.Linear(5, width)
        self.look = Look(width, fallback)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, fields: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        question, objects, padding = fields
        x = self.emb(question)
        return self.head(self.norm(x + self.look(x, self.objects(objects), padding)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, most = knobs.step(), knobs.pick(4, 5)
    model = Answerer(10, 16, 3, repaired)
    optimizer = kit.adam(model, lr=0.01)
    kinds = 2 * torch.randn(3, 5)
    batches = []
    for number in range(60):
        answer = torch.randint(3, (12,))
        objects = kinds[answer][:, None] + 0.5 * torch.randn(12, most, 5)
        padding = torch.arange(most) >= torch.randint(1, most + 1, (12, 1))
        if number == step:
            padding[5] = True
        batches.append(((torch.randint(10, (12, 4)), objects, padding), answer))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("masked-softmax",), ("forward",), ("look",), step),
    )
