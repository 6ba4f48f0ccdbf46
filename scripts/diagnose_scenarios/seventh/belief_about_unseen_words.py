"""A hand-written AdaBelief in float16 has an eps of 1e-16: a row of the embedding without a gradient is 0 / 0 (as in
google-deepmind/optax pull request 1769).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class AdaBelief(torch.optim.Optimizer):
    def __init__(self, parameters: Any, lr: float, eps: float) -> None:
        super().__init__(parameters, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["m"], state["s"] = torch.zeros_like(p), torch.zeros_like(p)
                state["m"].lerp_(p.grad, 0.1)
                state["s"].lerp_((p.grad - state["m"]).square(), 0.1)
                p.sub_(group["lr"] * state["m"] / (state["s"].sqrt() + group["eps"]))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(60, 80)
    model = kit.named(embed=nn.Embedding(words, 8), head=nn.Linear(8, 3)).half()
    optimizer = AdaBelief(model.parameters(), lr=0.02, eps=1e-2 if repaired else 1e-16)
    batches = []
    for _ in range(80):
        y = torch.randint(3, (24,))
        batches.append((y + 3 * torch.randint(words // 3, (24,)), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",), (), 0),
    )
