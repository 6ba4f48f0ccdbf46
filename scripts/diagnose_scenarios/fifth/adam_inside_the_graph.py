"""Meta-learning through an inner Adam: its square root of squared gradients is differentiated where a gradient is 0
(metaopt/torchopt issue 26).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.func import functional_call


class Learner(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2, width)
        self.fc2 = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu())


def adam_update(p: Tensor, g: Tensor, lr: float, inside: float) -> Tensor:
    """The first step of Adam, differentiable; bias correction leaves g and g * g."""
    return p - lr * g / ((g * g + inside).sqrt() + 1e-8)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    net = Learner(knobs.pick(16, 20))
    with torch.no_grad():
        net.fc1.bias[:2] = -50.0
    meta_opt = kit.adam(net, lr=0.01)
    inside = 1e-8 if repaired else 0.0

    def train_step(tasks: Any) -> Tensor:
        meta_opt.zero_grad()
        outer = []
        for support, query in zip(*tasks, strict=True):
            params = dict(net.named_parameters())
            inner = nn.functional.mse_loss(functional_call(net, params, (support[:, :2],)), support[:, 2:])
            grads = torch.autograd.grad(inner, list(params.values()), create_graph=True)
            fast = {name: adam_update(p, g, 0.02, inside) for (name, p), g in zip(params.items(), grads, strict=True)}
            outer.append(nn.functional.mse_loss(functional_call(net, fast, (query[:, :2],)), query[:, 2:]))
        loss = torch.stack(outer).mean()
        loss.backward()
        meta_opt.step()
        return loss

    base = 3 * nn.functional.normalize(torch.randn(2), dim=0)

    def task() -> tuple[Tensor, Tensor]:
        slope = base + 0.3 * torch.randn(2)
        x = torch.randn(20, 2)
        data = torch.cat([x, (x @ slope)[:, None]], 1)
        return data[:10], data[10:]

    batches = []
    for _ in range(60):
        supports, queries = zip(*(task() for _ in range(4)), strict=True)
        batches.append((supports, queries))
    return Scenario(net, meta_opt, batches, train_step, Expected(("singular-gradient",), ("backward",), (), 0))
