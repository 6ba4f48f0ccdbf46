"""A new optimizer makes its eps proportional to the gradient's length; for a head that a batch does not use, gradient
and eps are both 0 (lessw2020/FAdam_PyTorch issue 1).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class FAdam(torch.optim.Optimizer):
    """Natural-gradient Adam with an adaptive eps."""

    def __init__(self, params: Any, lr: float, least: float) -> None:
        super().__init__(params, {"lr": lr, "betas": (0.9, 0.999), "eps": 1e-8, "least": least})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"], state["fim"] = torch.zeros_like(p), torch.zeros_like(p)
                rms = p.grad.square().mean().sqrt()
                eps = (group["eps"] * rms.clamp(max=1.0)).clamp(min=group["least"])
                first, second = group["betas"]
                state["fim"].mul_(second).addcmul_(p.grad, p.grad, value=1 - second)
                natural = p.grad / (state["fim"].sqrt() + eps)
                state["momentum"].mul_(first).add_(natural, alpha=1 - first)
                p.add_(state["momentum"], alpha=-group["lr"])


class TwoHeads(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Linear(6, width)
        self.head_a, self.head_b = nn.Linear(width, 1), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x).tanh()
        return self.head_a(h), self.head_b(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    """The second task joins late; until then its loss is multiplied by 0."""
    knobs = kit.Knobs(seed)
    model = TwoHeads(knobs.pick(16, 24))
    optimizer = FAdam(model.parameters(), lr=0.001, least=1e-8 if repaired else 0.0)
    count, later = [0], knobs.randint(10, 14)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        a, b = model(x)
        optimizer.zero_grad()
        loss = kit.squares(a, y) + (count[0] >= later) * kit.squares(b, -y)
        loss.backward()
        optimizer.step()
        count[0] += 1
        return loss

    batches = [(x, 3 * y) for x, y in kit.regression(10, 32, 6) * 6]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("optimizer-eps",), ("optimizer",), ("head_b",)),
        learns=False,
    )
