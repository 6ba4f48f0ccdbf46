"""Two halves of a net are trained in turn under optimizers of their own; in every step one of the halves has gradients
that nobody uses, cleared before they could be.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(left=nn.Linear(8, knobs.pick(16, 24)), act=nn.Tanh(), right=nn.LazyLinear(1))
    model(torch.zeros(1, 8))
    optimizer = torch.optim.Adam(model.left.parameters(), lr=0.01)
    other = torch.optim.SGD(model.right.parameters(), lr=0.1)
    count = [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        model.zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        (other if count[0] % 2 else optimizer).step()
        count[0] += 1
        return loss

    return Scenario(model, optimizer, kit.regression(80, 32, 8), train_step, extra_state=(other,))
