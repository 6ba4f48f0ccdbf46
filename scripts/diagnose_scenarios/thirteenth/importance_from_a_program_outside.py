"""The weights of the loss come from a simulation in NumPy that returns NaN for one batch; torch sees only that."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


class Simulation:
    def __init__(self, bad: int) -> None:
        self.calls, self.bad = 0, bad

    def __call__(self, guesses: Tensor) -> Tensor:
        worth = 1 / (1 + np.exp(-guesses.detach().numpy()))
        if self.calls == self.bad:
            worth[2] = np.nan
        self.calls += 1
        return torch.from_numpy(worth)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, model = knobs.step(), kit.mlp(7, knobs.pick(12, 16), 1)
    optimizer, simulate = kit.adam(model, lr=0.02), Simulation(-1 if repaired else step)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        guess = model(x)
        loss = ((guess - y).square() * simulate(guess)).mean()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(50, 16, 7),
        train_step,
        Expected(("unknown",), ("loss",), (LOSS,), step),
    )
