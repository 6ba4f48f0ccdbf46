"""A rule scales each gradient by the running norm of gradients over its own norm; the head of a task without samples
in the batch has a gradient of zero (shivram1987/AdaNorm issue 1).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class NormedAdam(torch.optim.Optimizer):
    def __init__(self, weights: Any, lr: float, floor: float) -> None:
        super().__init__(weights, {"lr": lr, "floor": floor})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                grad, state = weight.grad, self.state[weight]
                norm = grad.norm()
                state["norm"] = 0.95 * state.get("norm", norm) + 0.05 * norm
                if state["norm"] > norm:
                    grad = grad * state["norm"] / (norm + group["floor"])
                m = state.setdefault("m", torch.zeros_like(weight))
                v = state.setdefault("v", torch.zeros_like(weight))
                m.mul_(0.9).add_(grad, alpha=0.1)
                v.mul_(0.99).addcmul_(grad, grad, value=0.01)
                weight.sub_(group["lr"] * m / (v.sqrt() + 1e-8))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(16, 24), knobs.randint(6, 28)
    model = nn.ModuleDict({"trunk": nn.Linear(8, width), "age": nn.Linear(width, 1), "weight": nn.Linear(width, 1)})
    optimizer = NormedAdam(model.parameters(), 0.01, 1e-8 if repaired else 0.0)
    empty = knobs.pick("age", "weight")

    def train_step(batch: Any) -> Tensor:
        x, y, known = batch
        h = model["trunk"](x).relu()
        loss = torch.zeros(())
        for number, task in enumerate(("age", "weight")):
            error = (model[task](h)[:, 0] - y[:, number]).square() * known[:, number]
            loss = loss + error.sum() / known[:, number].sum().clamp(min=1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number, (x, y) in enumerate(kit.regression(50, 24, 8, 2)):
        known = (torch.rand(24, 2) < 0.7).float()
        known[0] = 1.0
        if number == step:
            known[:, 0 if empty == "age" else 1] = 0.0
        batches.append((x, y, known))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("optimizer",), (empty,), step),
    )
