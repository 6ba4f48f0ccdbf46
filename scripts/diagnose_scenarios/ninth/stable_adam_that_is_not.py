"""A home-made stable AdamW divides the squared gradient by the larger of its average and eps squared; with eps 1e-8
that square is 0 in the type of the weights, and for a weight without gradient 0 is divided by 0
(guojiajeremy/Dinomaly issue 8).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class StableAdamW(torch.optim.Optimizer):
    """Clips each tensor's update by the root mean square of gradient over average."""

    def __init__(self, params: Any, lr: float, eps: float) -> None:
        super().__init__(params, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                if not state:
                    state.update(step=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                state["step"] += 1
                late = 1 - 0.99 ** state["step"]
                state["m"].lerp_(p.grad, 0.1)
                state["v"].mul_(1 - 0.01 / late).add_(p.grad.square(), alpha=0.01 / late)
                least = torch.tensor(group["eps"] ** 2, dtype=p.dtype)
                ratio = p.grad.square() / torch.maximum(state["v"], least)
                rate = group["lr"] / max(1.0, float(ratio.float().mean().sqrt()))
                m = state["m"] / (1 - 0.9 ** state["step"])
                p.sub_(rate * m / (state["v"].sqrt() + group["eps"]) + rate * 1e-4 * p)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(
        bottle=nn.Linear(10, width),
        act=nn.ReLU(),
        dec=nn.Linear(width, width),
        act2=nn.ReLU(),
        out=nn.Linear(width, 10),
    )
    model = model.half()
    optimizer = StableAdamW(model.parameters(), 0.01, 1e-3 if repaired else 1e-8)

    def train_step(batch: Tensor) -> Tensor:
        optimizer.zero_grad()
        rebuilt = model(batch.half())
        loss = (1 - nn.functional.cosine_similarity(rebuilt.float(), batch, dim=-1)).mean()
        loss.backward()
        optimizer.step()
        return loss

    normal = torch.randn(3, 10)
    batches = []
    for number in range(60):
        batch = torch.randn(32, 3).softmax(-1) @ normal + 0.05 * torch.randn(32, 10)
        batch[:, 4] = batch[:, 4] if number > step else 0.0  # a feature that is silent at first
        batches.append(batch)
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("optimizer-eps",), ("optimizer",), ("bottle", "dec")),
    )
