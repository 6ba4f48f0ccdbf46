"""Training for eight bits: weights are rounded in the forward pass and gradients go straight through the rounding."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Rounded(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        size = self.weight.detach().abs().max() / 7
        rounded = (self.weight / size).round().clamp(-8, 7) * size
        return nn.functional.linear(x, self.weight + (rounded - self.weight).detach(), self.bias)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=Rounded(8, width), act=nn.ReLU6(), head=Rounded(width, 3))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    scaler = kit.new_scaler(2.0**13)
    train_step = kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16, clip=2.0)
    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), train_step, scaler=scaler)
