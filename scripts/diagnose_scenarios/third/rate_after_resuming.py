"""In the middle of a training a saved setting is put back whose learning rate belongs to another optimizer."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(conv=nn.Conv2d(1, width, 3), act=nn.LeakyReLU(0.2), flat=nn.Flatten())
    model.add_module("out", nn.Linear(width * 16, 1))
    optimizer = kit.sgd(model, lr=0.01, momentum=0.8)
    saved = 0.01 if repaired else knobs.pick(40.0, 60.0)
    done = [0]

    def train_step(batch: Any) -> Tensor:
        if done[0] == step:
            state = optimizer.state_dict()
            state["param_groups"][0]["lr"] = saved
            optimizer.load_state_dict(state)
        done[0] += 1
        x, y = batch
        optimizer.zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(1, 6, 6) / 6
    xs = [torch.randn(16, 1, 6, 6) for _ in range(60)]
    batches = [(x, (x * teacher).sum((1, 2, 3))[:, None]) for x in xs]
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
