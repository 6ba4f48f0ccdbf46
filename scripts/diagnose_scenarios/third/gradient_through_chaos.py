"""A gradient through a simulator whose state stays within one but forgets nothing: every step multiplies it."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class World(nn.Module):
    def __init__(self, gain: float, truncated: bool) -> None:
        super().__init__()
        self.gain, self.truncated = gain, truncated

    def forward(self, pushes: Tensor) -> Tensor:
        state = torch.zeros(len(pushes))
        for at in range(pushes.shape[1]):
            if self.truncated and at == pushes.shape[1] - 2:
                state = state.detach()
            state = torch.sin(self.gain * state + pushes[:, at])
        return state


class Net(nn.Module):
    def __init__(self, width: int, gain: float, truncated: bool) -> None:
        super().__init__()
        self.seen = nn.Linear(4, width)
        self.push = nn.Linear(width, 1)
        self.world = World(gain, truncated)

    def forward(self, x: Tensor) -> Tensor:
        return self.world(self.push(self.seen(x).tanh()).squeeze(-1))


def build(seed: int, repaired: bool = False) -> Scenario:
    """A controller learns to bring the state to where the last observation says; one episode is long."""
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Net(knobs.pick(16, 24), knobs.pick(8.0, 9.0), repaired)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    lengths = [1] * 120
    lengths[step] = knobs.pick(160, 180)
    xs = [torch.randn(16, length, 4) for length in lengths]
    batches = [(x, 0.8 * x[:, -1, 0].tanh()) for x in xs]
    return Scenario(
        model, optimizer, batches, train_step, Expected(("exploding-gradients",), ("backward",), ("world",), step)
    )
