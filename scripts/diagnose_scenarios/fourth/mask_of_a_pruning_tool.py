"""A pruning tool's forward hook multiplies a layer's output by a mask computed in NumPy; at one call its quotient was
0 over 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pruner:
    """Keeps units by their share of a score that another program hands over."""

    def __init__(self, bad_call: int) -> None:
        self.calls, self.bad_call = 0, bad_call

    def __call__(self, module: nn.Module, args: Any, output: Tensor) -> Tensor:
        score = np.ones(output.shape[-1], dtype=np.float32)
        if self.calls == self.bad_call:
            score[:] = 0
        self.calls += 1
        with np.errstate(invalid="ignore"):
            mask = score / score.mean()
        return output * torch.from_numpy(mask)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(
        inp=nn.Linear(8, width), act1=nn.ReLU(), mid=nn.Linear(width, width), act2=nn.ReLU(), head=nn.Linear(width, 3)
    )
    model.mid.register_forward_hook(Pruner(-1 if repaired else step))
    optimizer = kit.adam(model)
    return Scenario(
        model,
        optimizer,
        kit.classes(40, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("unknown",), ("forward",), ("mid",), step),
    )
