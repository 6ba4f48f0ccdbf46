"""For the privacy of single samples every gradient is cut to a norm of its own and noise is added to the sum; steps are
rough, and the loss falls slowly.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(12, 16), 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    weights = list(model.parameters())

    def train_step(batch: Any) -> Tensor:
        x, y, noise = batch
        total, losses = [torch.zeros_like(weight) for weight in weights], []
        for one in range(len(x)):
            loss = nn.functional.cross_entropy(model(x[one : one + 1]), y[one : one + 1])
            grads = torch.autograd.grad(loss, weights)
            norm = torch.stack([grad.norm() for grad in grads]).norm()
            for kept, grad in zip(total, grads, strict=True):
                kept.add_(grad * (1.0 / (norm + 1e-6)).clamp(max=1.0))
            losses.append(loss.detach())
        for weight, kept, rough in zip(weights, total, noise, strict=True):
            weight.grad = (kept + 0.2 * rough) / len(x)
        optimizer.step()
        return torch.stack(losses).mean()

    batches = [(x, y, [torch.randn(weight.shape) for weight in weights]) for x, y in kit.classes(50, 12, 6, 3)]
    return Scenario(model, optimizer, batches, train_step)
