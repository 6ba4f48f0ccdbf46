"""Three quantiles of a heavy-tailed target under the pinball loss."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(5, knobs.pick(16, 24), 3)
    optimizer = kit.adam(model, lr=0.03)
    levels = torch.tensor([0.1, 0.5, 0.9])

    def pinball(p: Tensor, y: Tensor) -> Tensor:
        return torch.maximum(levels * (y - p), (levels - 1) * (y - p)).mean()

    batches = [(x, (1.5 * y + 0.1 * torch.randn_like(y)).exp()) for x, y in kit.regression(120, 64, 5)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, pinball, clip=1.0))
