"""A net that learns to make broken texts whole is trained without a bound on its gradients, and they explode; a norm
of one at most is set for them since (cosmoquester/transformers-bart-pretrain pull request 22).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gated(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gate(x) * self.value(x)


class Restore(nn.Module):
    def __init__(self, words: int, width: int, depth: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.blocks = nn.Sequential(*[Gated(width) for _ in range(depth)])
        self.head = nn.Linear(width, words)

    def forward(self, text: Tensor) -> Tensor:
        h = self.embed(text)
        return self.head(self.blocks(0.5 * (h[:, 0] + h[:, 1])))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(7, 8)
    model = Restore(words, 12, knobs.pick(4, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    clip = 0.2 if repaired else None
    batches = []
    for _ in range(80):
        text = torch.randint(words, (32, 2))
        batches.append((text, text[:, 0]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, clip=clip),
        Expected(("exploding-gradients",), (), (), None),
    )
