"""The list of weights to zero was made while the trunk was frozen; once it trains, its gradients pile up."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    trunk = kit.named(inp=nn.Linear(8, width), act=nn.LeakyReLU(0.1), mid=nn.Linear(width, width))
    model = kit.named(trunk=trunk, act=nn.LeakyReLU(0.1), out=nn.Linear(width, 1))
    trunk.requires_grad_(False)
    to_zero = [p for p in model.parameters() if repaired or p.requires_grad]
    optimizer = kit.sgd(model, lr=knobs.pick(0.02, 0.025), momentum=0.9)
    done = [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        if done[0] == step:
            trunk.requires_grad_(True)
        done[0] += 1
        for p in to_zero:
            p.grad = None
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, kit.regression(300, 16, 8), train_step, Expected(("zero-grad",), (), (), None))
