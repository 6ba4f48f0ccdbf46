"""Weights are rounded to eight levels in the forward pass and their gradients go straight through: the loss falls in
steps and many weights do not change their level for long.
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Rounded(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight.detach().abs().amax() / 4
        steps = self.weight / scale
        steps = steps + (steps.round() - steps).detach()
        return nn.functional.linear(x, steps * scale, self.bias)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=Rounded(8, knobs.pick(24, 32)), act=nn.ReLU6(), out=nn.Linear(24, 3))
    model.out = Rounded(model.inp.out_features, 3)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
