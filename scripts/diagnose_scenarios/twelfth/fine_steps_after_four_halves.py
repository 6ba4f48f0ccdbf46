"""Gradients of four parts of a batch are added, each divided by four, before the rule makes its step and they are
cleared.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(7, knobs.pick(16, 20)), act=nn.Tanh(), out=nn.LazyLinear(1))
    model(torch.zeros(1, 7))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.8)

    class Loop:
        count = 0

        def __call__(self, batch: Any) -> Tensor:
            loss = (model(batch[0]) - batch[1]).square().mean()
            (loss / 4).backward()
            self.count += 1
            if self.count % 4 == 0:
                optimizer.step()
                optimizer.zero_grad()
            return loss

    batches = [(x, y + 2) for x, y in kit.regression(80, 24, 7)]
    return Scenario(model, optimizer, batches, Loop())
