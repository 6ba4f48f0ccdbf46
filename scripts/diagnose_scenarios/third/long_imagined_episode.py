"""A world model adds its own change to its state; imagined far ahead, the state grows past float32."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Dream(nn.Module):
    def __init__(self, width: int, bounded: bool) -> None:
        super().__init__()
        self.change = nn.Linear(width, width)
        self.bounded = bounded
        with torch.no_grad():
            self.change.weight.abs_()

    def forward(self, state: Tensor, horizon: int) -> Tensor:
        for _ in range(horizon):
            state = state + self.change(state).relu()
            if self.bounded:
                state = state.tanh()
        return state


class Net(nn.Module):
    def __init__(self, width: int, bounded: bool) -> None:
        super().__init__()
        self.enc = nn.Linear(4, width)
        self.dream = Dream(width, bounded)
        self.reward = nn.Linear(width, 1)

    def forward(self, x: Tensor, horizon: int) -> Tensor:
        return self.reward(self.dream(self.enc(x), horizon)).squeeze(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Net(knobs.pick(10, 12), repaired)
    optimizer = kit.adam(model, lr=0.005)
    teacher = torch.randn(4)

    def train_step(batch: Any) -> Tensor:
        x, y, horizon = batch
        optimizer.zero_grad()
        loss = kit.squares(model(x, horizon), y)
        loss.backward()
        optimizer.step()
        return loss

    xs = [torch.randn(16, 4) for _ in range(120)]
    batches = [(x, x @ teacher, knobs.pick(250, 300) if number == step else 1) for number, x in enumerate(xs)]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("exploding-gradients",), ("forward",), ("dream", "dream.change"), step),
    )
