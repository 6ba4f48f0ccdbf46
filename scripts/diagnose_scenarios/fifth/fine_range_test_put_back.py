"""The learning rate is raised step by step until the loss has grown, then weights and optimizer are put back as they
were and training begins (the repair in Lightning-AI/pytorch-lightning issue 6675).
"""

from __future__ import annotations

import copy
from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 32)
    model = kit.named(inp=nn.Linear(10, width), act=nn.Tanh(), out=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=1e-4, momentum=0.9)
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    testing, best = True, float("inf")

    def train_step(batch: Any) -> Tensor:
        nonlocal testing, best
        x, y = batch
        loss = kit.squares(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        best = min(best, float(loss))
        if testing and float(loss) > 20 * best:
            testing = False
            model.load_state_dict(saved[0])
            optimizer.load_state_dict(copy.deepcopy(saved[1]))
            optimizer.param_groups[0]["lr"] = 0.02
        elif testing:
            optimizer.param_groups[0]["lr"] *= 1.8
        return loss

    return Scenario(model, optimizer, kit.regression(90, 32, 10), train_step)
