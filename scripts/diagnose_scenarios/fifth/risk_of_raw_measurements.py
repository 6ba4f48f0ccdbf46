"""A survival net's partial likelihood takes the exponential of its risk, and its inputs are days and counts as they
stand in the table (jaredleekatzman/DeepSurv issue 14).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def negative_log_likelihood(risk: Tensor, event: Tensor) -> Tensor:
    """Rows are sorted by falling time."""
    log_risk = torch.cumsum(risk.exp(), 0).log()
    return -((risk - log_risk) * event).sum() / event.sum()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    net = kit.mlp(5, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(net, lr=0.02, momentum=0.9, nesterov=True)
    scale = torch.tensor([1e4, 3e3, 50.0, 1.0, 8e3])
    middle = torch.tensor([2e4, 5e3, 60.0, 0.0, 9e3])
    teacher = torch.randn(5)

    def train_step(batch: Any) -> Tensor:
        x, event = batch
        loss = negative_log_likelihood(net(x).squeeze(1), event)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(80):
        x = torch.randn(32, 5)
        time = -(2 * x @ teacher) + 0.3 * torch.randn(32)
        x = x[time.argsort(descending=True)]
        batches.append((x if repaired else x * scale + middle, (torch.rand(32) < 0.8).float()))
    return Scenario(net, optimizer, batches, train_step, Expected(("input-scale",), ("data", "loss"), (LOSS,)))
