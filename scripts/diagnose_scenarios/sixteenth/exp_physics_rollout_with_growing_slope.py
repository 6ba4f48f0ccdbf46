"""A learnt simulator is rolled out for 100 steps of a chaotic map: values stay below 1, the gradient reaches
infinity.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Simulator(nn.Module):
    def __init__(self, gain: float, steps: int, truncated: bool) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.shift = nn.Parameter(torch.zeros(1))
        self.steps, self.truncated = steps, truncated

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.steps):
            x = x.detach() if self.truncated else x
            x = torch.sin(self.gain * x + self.shift)
        return x


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    world = Simulator(9.0, knobs.pick(100, 120), repaired)
    model = nn.ModuleDict({"start": nn.Linear(5, 6), "world": world, "see": nn.Linear(6, 1)})
    optimizer = kit.sgd(model, lr=0.05)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = (model["see"](model["world"](model["start"](x))) - y).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        [(x, y + 4) for x, y in kit.regression(50, 12, 5)],
        train_step,
        Expected(("exploding-gradients",), ("backward",), ("world",)),
    )
