"""A layer rounds to steps whose size a calibrator outside torch keeps; once it had lost its history and answered with
no number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Calibrator:
    def __init__(self, bad_call: int) -> None:
        self.calls, self.bad_call = 0, bad_call
        self.history: list[float] = []

    def ask(self, values: Any) -> float:
        self.history = [*self.history[-7:], float(np.abs(values).max())]
        answer = float(np.median(self.history)) if self.calls != self.bad_call else float("nan")
        self.calls += 1
        return answer


class Quantised(nn.Module):
    def __init__(self, calibrator: Calibrator) -> None:
        super().__init__()
        self.calibrator = calibrator

    def forward(self, x: Tensor) -> Tensor:
        size = self.calibrator.ask(x.detach().numpy()) / 127
        rounded = (x.detach() / size).round() * size
        return x + (rounded - x).detach()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    quant = Quantised(Calibrator(-1 if repaired else step))
    model = kit.named(inp=nn.Linear(8, width), quant=quant, act=nn.GELU(), head=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.5)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 16, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("unknown",), ("forward",), ("quant",), step),
    )
