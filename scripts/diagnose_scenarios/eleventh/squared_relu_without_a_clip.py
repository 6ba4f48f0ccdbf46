"""A small language model squares its rectified activations; single gradients are so large that they spoil the weights,
and a run of many hours is lost unless they are clipped (karpathy/autoresearch pull request 287).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(self.up(x).relu().square())


class Letters(nn.Module):
    def __init__(self, letters: int, width: int, layers: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(letters, width)
        self.layers = nn.Sequential(*[Layer(width) for _ in range(layers)])
        self.head = nn.Linear(width, letters)

    def forward(self, text: Tensor) -> Tensor:
        return self.head(self.layers(self.wte(text)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    letters, clip = 10, 0.1
    model = Letters(letters, knobs.pick(12, 16), 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25, momentum=0.9)
    follows = torch.randperm(letters)

    def train_step(text: Tensor) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(text).flatten(0, 1), follows[text].flatten())
        loss.backward()
        if repaired:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return loss

    texts = [torch.randint(letters, (8, 16)) for _ in range(60)]
    return Scenario(model, optimizer, texts, train_step, Expected(("exploding-gradients",), (), (), None))
