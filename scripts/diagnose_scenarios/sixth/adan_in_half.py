"""An optimizer of the user's own keeps its averages in the float16 of its weights; where a pixel is never lit, the
gradient is 0 and so is the eps of 1e-8 (google-deepmind/optax issue 1789).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class Adan(torch.optim.Optimizer):
    def __init__(self, params: Any, lr: float, eps: float) -> None:
        super().__init__(params, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update({name: torch.zeros_like(p) for name in "mvn"}, before=p.grad.clone())
                change = p.grad - state["before"]
                state["m"].lerp_(p.grad, 0.1)
                state["v"].lerp_(change, 0.1)
                state["n"].lerp_((p.grad + 0.9 * change).square(), 0.1)
                p.sub_(group["lr"] * (state["m"] + 0.9 * state["v"]) / (state["n"].sqrt() + group["eps"]))
                state["before"] = p.grad.clone()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(flat=nn.Flatten(), fc1=nn.Linear(36, knobs.pick(12, 16)), act=nn.Tanh(), fc2=nn.LazyLinear(3))
    model(torch.zeros(1, 1, 6, 6))
    model.half()
    optimizer = Adan(model.parameters(), lr=0.01, eps=1e-3 if repaired else 1e-8)
    batches = []
    for x, y in kit.images(40, 16, 1, 6, 3):
        x[:, :, 0] = 0
        batches.append((x.half(), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",), ("fc1",)),
    )
