"""A language model that keeps its past starts from weights drawn so wide that the first products of its attention are
no numbers; a smaller deviation at the start helps (kimiyoung/transformer-xl issue 24).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        score = self.q(x) @ self.k(x).transpose(1, 2)
        mass = score.exp()
        return x + (mass @ self.v(x)) / mass.sum(-1, keepdim=True)


class Model(nn.Module):
    def __init__(self, words: int, width: int, spread: float) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.attn = Attention(width)
        self.out = nn.Linear(width, words)
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, 0.0, spread)

    def forward(self, words: Tensor) -> Tensor:
        return self.out(self.attn(self.emb(words)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = 14
    model = Model(words, knobs.pick(16, 20), 0.1 if repaired else knobs.pick(1.2, 1.5))
    optimizer = kit.adam(model, lr=0.02)
    follows = torch.randperm(words)

    def train_step(text: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(text).flatten(0, 1), follows[text].flatten())
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        [torch.randint(words, (8, 12)) for _ in range(60)],
        train_step,
        Expected(("initialisation",), ("forward",), ("attn", "emb", "attn.q", "attn.k"), 0),
    )
