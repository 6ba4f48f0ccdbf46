"""A simulator keeps its state between -1 and 1 by a sine, and the gradient back to the start doubles at each tick."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Simulator(nn.Module):
    def __init__(self, steepness: float, ticks: int) -> None:
        super().__init__()
        self.steepness, self.ticks = steepness, ticks

    def forward(self, state: Tensor) -> Tensor:
        for _ in range(self.ticks):
            state = torch.sin(self.steepness * state)
        return state


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        encoder=nn.Linear(5, knobs.pick(6, 8)),
        simulator=Simulator(1.0 if repaired else knobs.pick(12.0, 15.0), 90),
        head=nn.LazyLinear(1),
    )
    batches = kit.regression(60, 16, 5)
    model(batches[0][0])
    optimizer = kit.adam(model, lr=0.05)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("exploding-gradients",), ("backward",), ("simulator",)),
    )
