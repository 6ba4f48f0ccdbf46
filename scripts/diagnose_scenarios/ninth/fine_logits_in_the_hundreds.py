"""Attributes are learnt from logits that a fixed factor takes to several hundreds; probabilities are exactly 0 and 1 in
float32, but the loss is computed from logits.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 24), act=nn.GELU(), head=nn.Linear(24, 5), sharp=Times(knobs.pick(200.0, 300.0)))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.003)
    teacher = torch.randn(8, 5)
    xs = [torch.randn(32, 8) for _ in range(80)]
    return Scenario(
        model,
        optimizer,
        [(x, (x @ teacher > 0).float()) for x in xs],
        kit.train(model, optimizer, nn.functional.binary_cross_entropy_with_logits),
    )
