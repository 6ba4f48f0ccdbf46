"""A margin loss that is exactly 0, with gradients exactly 0, once all margins are met."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=knobs.pick(0.2, 0.3))

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return (0.3 - y * p[:, 0]).relu().mean()

    xs = [torch.randn(16, 6) for _ in range(100)]
    xs = [torch.where(x[:, :1].abs() < 0.5, 3 * x, x) + torch.eye(6)[0] * x[:, :1].sign() for x in xs]
    return Scenario(model, optimizer, [(x, x[:, 0].sign()) for x in xs], kit.train(model, optimizer, criterion))
