"""The reward is computed by a simulator outside torch, inside the step; for one episode it returns no number."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Simulator:
    def __init__(self, bad_call: int) -> None:
        self.calls, self.bad_call = 0, bad_call
        self.goal = np.array([0.5, -0.8])

    def run(self, actions: Any) -> Any:
        distance = np.abs(actions - self.goal).sum(1)
        if self.calls == self.bad_call:
            distance[2] = np.nan
        self.calls += 1
        return -distance


def build(seed: int, repaired: bool = False) -> Scenario:
    """A value net learns to foretell the simulator."""
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    value = kit.named(inp=nn.Linear(2, width), act=nn.ReLU(), out=nn.Linear(width, 1))
    optimizer, simulator = kit.adam(value, lr=0.02), Simulator(-1 if repaired else step)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        reward = torch.from_numpy(simulator.run(batch.numpy())).float()
        loss = (value(batch).squeeze(1) - reward).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    actions = [torch.randn(16, 2) for _ in range(80)]
    return Scenario(
        value,
        optimizer,
        actions,
        train_step,
        Expected(("unknown", "bad-data", "bad-labels"), ("data", "loss"), (), step),
    )
