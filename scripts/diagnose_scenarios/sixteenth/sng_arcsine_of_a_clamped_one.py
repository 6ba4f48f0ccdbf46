"""A pitch angle is the arcsine of a value clamped to -1..1; at the limit itself the slope is infinite and clamp lets
it pass.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    limit = 0.999 if repaired else 1.0
    model = kit.named(inp=nn.Linear(5, 12), act=nn.Tanh(), out=nn.Linear(12, 3))
    optimizer = kit.adam(model, lr=0.01)

    def criterion(quaternion: Tensor, target: Tensor) -> Tensor:
        side, sine = quaternion[:, :2], quaternion[:, 2]
        exact = target[:, 1] > 5
        sine = torch.where(exact, sine / sine.detach(), torch.tanh(sine))
        angle = torch.asin(sine.clamp(-limit, limit))
        return (angle - target[:, 0]).square().mean() + 0.01 * side.square().mean()

    batches = []
    for i in range(60):
        x = torch.randn(12, 5)
        target = torch.stack([x[:, 0].tanh(), torch.zeros(12)], 1)
        if i == step:
            target[knobs.randint(0, 11), 1] = 9.0
        batches.append((x, target))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
