"""Weights are kept in bfloat16 without a float32 copy: the steps of the rule are computed finely, and each is rounded
back to where the weight was (workofart/ml-by-hand pull request 85).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class EvenSteps(torch.optim.Optimizer):
    """Every step has the size of the rate; computed in float32, kept there too where `masters` are."""

    def __init__(self, params: Any, lr: float, masters: bool) -> None:
        super().__init__(params, {"lr": lr})
        self.masters = masters

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                fine = self.state[p].get("master", p.float()) - group["lr"] * p.grad.float().sign()
                if self.masters:
                    self.state[p]["master"] = fine
                p.copy_(fine)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(gain=nn.LayerNorm(8), inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.GELU(), out=nn.LazyLinear(1))
    model(torch.zeros(1, 8))
    with torch.no_grad():
        for layer in (model.inp, model.out):
            layer.weight.copy_(torch.where(layer.weight < 0, -1.0, 1.0) * (0.5 + layer.weight.abs()))
            layer.bias.fill_(0.75)
    model.to(torch.bfloat16)
    optimizer = EvenSteps(model.parameters(), knobs.pick(5e-4, 6e-4), masters=repaired)
    batches = []
    for x, _ in kit.regression(80, 64, 8):
        batches.append((x.to(torch.bfloat16), 4 + nn.functional.normalize(x, dim=1)[:, :1]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("optimizer",), (), None, "stalls"),
    )
