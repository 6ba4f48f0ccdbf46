"""A penalty on the slope of the net with respect to its input is differentiated a second time."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(3, knobs.pick(16, 20)), act=nn.Softplus())
    model.append(nn.Linear(model.inp.out_features, 1))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        points = x.clone().requires_grad_()
        heights = model(points)
        (slopes,) = torch.autograd.grad(heights.sum(), points, create_graph=True)
        length = (slopes.square().sum(1) + 1e-12).sqrt()
        loss = (length - 1).square().mean() + (heights[:, 0] - x.abs().sum(1) / 3).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, [torch.randn(24, 3) for _ in range(70)], train_step)
