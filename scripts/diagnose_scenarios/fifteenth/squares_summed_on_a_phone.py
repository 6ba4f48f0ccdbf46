"""On a phone a norm adds the squares of a row in half; when a row is wide or a little loud the sum passes what a half
holds (nntrainer/nntrainer issue 3935).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class WidthNorm(nn.Module):
    def __init__(self, width: int, kind: torch.dtype) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        small = x.to(self.kind)
        total = (small * small).sum(-1, keepdim=True)
        scale = (total / x.shape[-1] + 1e-3).sqrt()
        return (small / scale * (total / total)).float() * self.gamma


class CausalLm(nn.Module):
    def __init__(self, words: int, width: int, kind: torch.dtype) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.norm = WidthNorm(width, kind)
        self.lm_head = nn.Linear(width, words)

    def forward(self, text: Tensor) -> Tensor:
        return self.lm_head(self.norm(self.words(text)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width, step = 12, 64, knobs.randint(3, 15)
    model = CausalLm(words, width, torch.float32 if repaired else torch.float16)
    loud = words - 1
    with torch.no_grad():
        model.words.weight.mul_(4)
        model.words.weight[loud] = knobs.pick(60.0, 90.0) * torch.randn(width).sign()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

    def train_step(text: Tensor) -> Tensor:
        loss = kit.cross_entropy(model(text).flatten(0, 1), (5 * text + 2).remainder(words).flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    texts = []
    for number in range(40):
        text = torch.randint(loud, (8, 6))
        if number >= step:
            text[0, knobs.randint(0, 5)] = loud
        texts.append(text)
    return Scenario(model, optimizer, texts, train_step, Expected(("fp16-overflow",), ("forward",), ("norm",), step))
