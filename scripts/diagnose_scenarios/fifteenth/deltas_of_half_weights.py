"""An adaptive rule for half weights adds a millionth of a millionth under its roots, which is nought in half; a larger
number there does not become nought (lisa-lab/DeepLearningTutorials pull request 86).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Adadelta(torch.optim.Optimizer):
    """Steps as large as the steps before, all kept in the type of the weights."""

    def __init__(self, weights: Any, eps: float) -> None:
        super().__init__(weights, {"eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                grads = state.setdefault("grads", torch.zeros_like(weight))
                steps = state.setdefault("steps", torch.zeros_like(weight))
                grads.mul_(0.9).addcmul_(weight.grad, weight.grad, value=0.1)
                eps = torch.tensor(group["eps"], dtype=weight.dtype)
                change = -(steps + eps).sqrt() / (grads + eps).sqrt() * weight.grad
                steps.mul_(0.9).addcmul_(change, change, value=0.1)
                weight.add_(change)


class Sentiment(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.words = nn.Parameter((torch.randn(words, width) / 4).half())
        self.mark = nn.Linear(width, 2)
        self.mark.requires_grad_(False)

    def forward(self, text: Tensor) -> Tensor:
        return self.mark(4 * self.words[text].float().mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(30, 40)
    model = Sentiment(words, 12)
    optimizer = Adadelta([model.words], 1e-3 if repaired else 1e-8)
    good = torch.randn(words)
    batches = []
    for _ in range(60):
        text = torch.randint(words - 3, (24, 5))
        batches.append((text, (good[text].sum(1) > 0).long()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",), ("words", ""), 0),
    )
