"""AdaBelief, written by hand for float16 weights with an eps of 1e-16: rows of a table that no batch has used are 0
over 0 (google-deepmind/optax issue 1754).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class AdaBelief(torch.optim.Optimizer):
    def __init__(self, params: Any, lr: float, betas: tuple[float, float] = (0.9, 0.99), eps: float = 1e-16) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["m"], state["s"] = torch.zeros_like(p), torch.zeros_like(p)
                m, s = state["m"], state["s"]
                m.mul_(beta1).add_(p.grad, alpha=1 - beta1)
                difference = p.grad - m
                s.mul_(beta2).add_(difference * difference, alpha=1 - beta2)
                p.sub_(group["lr"] * m / (s.sqrt() + group["eps"]))


class TagModel(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words, width)
        self.out = nn.Linear(width, 3)

    def forward(self, text: Tensor) -> Tensor:
        return self.out(self.table(text).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(60, 80)
    model = TagModel(words, knobs.pick(12, 16)).half()
    optimizer = AdaBelief(model.parameters(), lr=0.01, eps=1e-3 if repaired else 1e-16)

    def train_step(batch: Any) -> Tensor:
        text, y = batch
        optimizer.zero_grad()
        loss = 16 * nn.functional.cross_entropy(model(text).float(), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        y = torch.randint(3, (16,))
        batches.append((torch.randint(8, (16, 5)) + 8 * y[:, None], y))
    return Scenario(model, optimizer, batches, train_step, Expected(("optimizer-eps",), ("optimizer",), ("table",)))
