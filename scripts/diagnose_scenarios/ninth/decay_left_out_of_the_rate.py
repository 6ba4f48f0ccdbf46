"""A model is ported to a library whose AdamW takes the decay off the weights as it is, not times the rate: a decay that
was harmless before pulls every weight to nearly 0 (FluxML/Optimisers.jl issue 182).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class ChainedAdamW(torch.optim.Optimizer):
    """Adam's step, and after it the decay, as two links of a chain."""

    def __init__(self, params: Any, lr: float, decay: float, scaled: bool) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "scaled": scaled})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                if not state:
                    state.update(step=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                state["step"] += 1
                state["m"].lerp_(p.grad, 0.1)
                state["v"].mul_(0.999).addcmul_(p.grad, p.grad, value=0.001)
                m, v = state["m"] / (1 - 0.9 ** state["step"]), state["v"] / (1 - 0.999 ** state["step"])
                strength = group["decay"] * (group["lr"] if group["scaled"] else 1)
                p.sub_(group["lr"] * m / (v.sqrt() + 1e-8) + strength * p)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 32), act=nn.GELU(), mid=nn.Linear(32, 32), act2=nn.GELU(), head=nn.Linear(32, 4))
    optimizer = ChainedAdamW(model.parameters(), 0.003, knobs.pick(0.2, 0.25), repaired)
    return Scenario(
        model,
        optimizer,
        kit.classes(70, 32, 8, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), ("optimizer",), (), None, "stalls"),
    )
