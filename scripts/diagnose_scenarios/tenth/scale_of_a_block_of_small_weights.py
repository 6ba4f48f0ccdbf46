"""Weights are rounded to whole multiples of a scale that is kept in float16; for a block of very small weights the
scale itself is zero (intel/auto-round issue 207).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Rounded(nn.Module):
    def __init__(self, inputs: int, outputs: int, careful: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.shift = nn.Parameter(torch.zeros(outputs, inputs))
        self.careful = careful

    def forward(self, x: Tensor) -> Tensor:
        scale = (self.weight.detach().abs().amax(1, keepdim=True) / 7).half()
        if self.careful:
            scale = scale.clamp(min=1e-5)
        scale = scale.float()
        steps = self.weight / scale + self.shift
        steps = steps + (steps.round() - steps).detach()
        return nn.functional.linear(x, steps.clamp(-8, 7) * scale)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(up=Rounded(8, width, repaired), act=nn.ReLU(), down=Rounded(width, 1, repaired))
    with torch.no_grad():
        model.up.weight[knobs.randint(0, 3)] *= 1e-7
    optimizer = kit.sgd(model, lr=0.05)
    return Scenario(
        model,
        optimizer,
        kit.regression(80, 32, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("underflow",), ("forward",), ("up",), 0),
    )
