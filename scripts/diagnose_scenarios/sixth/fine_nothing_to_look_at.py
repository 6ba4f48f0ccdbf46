"""Torch's own fused attention with rows in which every key is padding: since torch 2.5 their result is 0 and not NaN
(pytorch/pytorch issue 40932 as it is today, pull request 189045).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Answerer(nn.Module):
    def __init__(self, words: int, width: int, outputs: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.objects = nn.Linear(5, 2 * width)
        self.query = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, fields: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        question, objects, padding = fields
        x = self.emb(question)
        keys, values = self.objects(objects).chunk(2, -1)
        seen = nn.functional.scaled_dot_product_attention(self.query(x), keys, values, attn_mask=~padding[:, None])
        return self.head(self.norm(x + seen)).mean(1)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    most = knobs.pick(4, 5)
    model = Answerer(10, 16, 3)
    optimizer = kit.adam(model, lr=0.01)
    kinds = 2 * torch.randn(3, 5)
    batches = []
    for _ in range(60):
        answer = torch.randint(3, (12,))
        objects = kinds[answer][:, None] + 0.5 * torch.randn(12, most, 5)
        padding = torch.arange(most) >= torch.randint(0, most + 1, (12, 1))
        batches.append(((torch.randint(10, (12, 4)), objects, padding), answer))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
