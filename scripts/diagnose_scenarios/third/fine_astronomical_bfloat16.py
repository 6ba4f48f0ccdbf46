"""Activations of 1e20 in bfloat16, which holds them, before a normalisation brings them back to one."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Amplify(nn.Module):
    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x


class Level(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / x.abs().amax(-1, keepdim=True)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, gain = knobs.pick(16, 24), knobs.pick(1e18, 1e20)
    model = kit.named(inp=nn.Linear(8, width), act=nn.Tanh(), loud=Amplify(gain), level=Level())
    model.add_module("head", nn.Linear(width, 3))
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
    )
