"""Layers are frozen at first and set free one by one, each with a fresh, lower learning rate of its own."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(
        one=nn.Linear(8, width), act=nn.ReLU(), two=nn.Linear(width, width), act2=nn.ReLU(), head=nn.Linear(width, 3)
    )
    frozen = [model.one, model.two]
    for layer in frozen:
        layer.requires_grad_(False)
    optimizer = kit.sgd(model.head, lr=0.1, momentum=0.9)
    every, done = knobs.pick(12, 15), [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        done[0] += 1
        if done[0] % every == 0 and frozen:
            layer = frozen.pop().requires_grad_(True)
            optimizer.add_param_group({"params": list(layer.parameters()), "lr": 0.02})
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, kit.classes(80, 32, 8, 3), train_step)
